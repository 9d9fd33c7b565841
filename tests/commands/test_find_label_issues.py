"""`find_label_issues`: what Python holds in, a DataFrame as cleanlab answers out."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import deftclean
from deftclean.core.errors import InputError, UsageError
from tests.support.pictures import COLOURS, draw

NAMES = ("apple", "leaf", "ocean")
COLUMNS = ["is_label_issue", "label_score", "given_label", "predicted_label"]
RUN = deftclean.RunOptions(model="nano", device="cpu", workers=0, cache=False)
WRONG = 7


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """24 files in three folders that are named after their colour; one has a wrong label."""
    home = tmp_path_factory.mktemp("pictures")
    made = []
    for at in range(24):
        name = NAMES[at % 3]
        path = home / name / f"{at:02d}.png"
        path.parent.mkdir(exist_ok=True)
        draw(COLOURS[name], at).save(path)
        made.append((str(path), "ocean" if at == WRONG else name))
    return made


def asked(data: Any, labels: Any = None, **options: Any) -> pd.DataFrame:
    return deftclean.find_label_issues(data, labels, strategy="label-match", run=RUN, **options)


class Pictures:
    """A data set as torch knows it."""

    def __init__(self, pairs: list[tuple[str, str]], kind: str = "RGB") -> None:
        self.pairs, self.kind = pairs, kind
        self.classes = list(NAMES)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, at: int) -> tuple[Any, int]:
        path, label = self.pairs[at]
        picture = Image.open(path).convert("RGB")
        made = np.asarray(picture) if self.kind == "array" else picture.convert(self.kind)
        return made, NAMES.index(label)


class Hugging:
    """What a `Dataset` of Hugging Face's library is known by."""

    features: Any = None

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        images = [{"bytes": Path(path).read_bytes(), "path": None} for path, _ in pairs]
        numbers = [NAMES.index(label) for _, label in pairs]
        self.table = pa.table({"image": images, "fine": numbers, "coarse": numbers})

    def to_parquet(self, path: str) -> None:
        pq.write_table(self.table, path)


class Several(dict):
    column_names: Any = None


def test_a_frame_with_columns_called_as_a_data_set_has_them_is_a_frame(pictures):
    frame = pd.DataFrame(pictures, columns=["path", "label"])
    found = asked(frame.assign(features=1, column_names="x"))
    assert found["given_label"].tolist() == [label for _, label in pictures]


def test_a_hugging_face_data_set(pictures):
    found = asked(Hugging(pictures), "fine", class_names=list(NAMES))
    assert list(found.index) == list(range(24))
    assert found["given_label"].tolist() == [label for _, label in pictures]
    expected = asked(pictures)
    np.testing.assert_allclose(found["label_score"], expected["label_score"])
    with pytest.raises(UsageError, match="the name of the data set's column"):
        asked(Hugging(pictures), [1] * 24)
    with pytest.raises(InputError, match="several data sets: train, test") as told:
        asked(Several(train=1, test=2))
    assert "data['train']" in told.value.hint


def test_a_list_of_pairs_and_every_other_form_say_the_same(pictures, tmp_path, monkeypatch):
    found = asked(pictures)
    assert list(found.columns) == COLUMNS
    assert list(found.index) == list(range(24))
    assert found["given_label"].tolist() == [label for _, label in pictures]
    assert found["is_label_issue"].dtype == bool
    assert set(found["predicted_label"]) <= set(NAMES)
    assert found["label_score"].between(0, 1).all()
    assert found.attrs["noise_rate"] == pytest.approx(found["is_label_issue"].mean())

    paths, labels = [path for path, _ in pictures], [label for _, label in pictures]
    index = [f"r{at}" for at in range(24)]
    frame = pd.DataFrame({"path": paths, "label": labels, "x": 1}, index=index)
    home = Path(paths[0]).parents[1]
    relative = {str(Path(path).relative_to(home)): label for path, label in pictures}
    monkeypatch.chdir(home)
    others: dict[str, tuple[Any, list[Any]]] = {
        "relative paths": (asked(list(relative), np.array(labels)), list(range(24))),
        "frame and a series": (asked(frame[["path"]], frame["label"]), index),
        "folder and mapping": (asked(home, relative), list(relative)),
        "pictures": (asked(Pictures(pictures)), list(range(24))),
    }
    for what, (other, expected) in others.items():
        assert list(other.index) == expected, what
        pd.testing.assert_frame_equal(other.reset_index(drop=True), found, obj=what)
    assert list(tmp_path.iterdir()) == []


def test_whole_numbers_need_names_and_gaps_are_no_issues(pictures):
    frame = pd.DataFrame({"file": [path for path, _ in pictures], "y": [0.0, 1.0, 2.0] * 8})
    frame.loc[0, "y"] = None  # pandas makes whole numbers floats for it
    with pytest.raises(InputError, match=r"whole numbers \(0, 1, 2\), and prompts need") as caught:
        asked(frame, "y")
    assert "class_names=[" in caught.value.hint
    found = asked(frame, "y", class_names=NAMES)
    assert found["given_label"].tolist()[1:] == (list(NAMES) * 8)[1:]
    assert found["given_label"].isna()[0]
    assert (bool(found["is_label_issue"][0]), np.isnan(found["label_score"][0])) == (False, True)
    assert set(found["predicted_label"]) <= set(NAMES)


def test_a_data_set_of_torchvision_is_read_from_its_files(pictures):
    from torchvision.datasets import ImageFolder

    home = Path(pictures[0][0]).parents[1]
    data = ImageFolder(str(home), transform=lambda picture: np.asarray(picture))
    found = asked(data)
    assert found["given_label"].tolist() == [NAMES[at] for at in data.targets]
    folder = asked(home)
    assert [Path(name).parent.name for name in folder.index] == folder["given_label"].tolist()
    assert folder["label_score"].tolist() == found["label_score"].tolist()


def test_a_picture_that_is_not_there_is_no_issue(pictures, tmp_path):
    found = asked([*pictures, (str(tmp_path / "gone.png"), "leaf")])
    assert len(found) == 25
    assert (bool(found["is_label_issue"][24]), np.isnan(found["label_score"][24])) == (False, True)


@pytest.mark.parametrize(
    ("data", "labels", "options", "message"),
    [
        (7, None, {}, "is no data that is known"),
        ([], None, {}, "has no row"),
        (["a.png", "b.png"], None, {}, "2 of 2 entries are no pair"),
        (["a.png", "b.png"], ["x"], {}, "1 labels for 2 rows"),
        ([(1, "x"), ("b.png", "y")], None, {}, "1 of 2 paths are no text"),
        ([("a.png", 1), ("b.png", "1"), ("c.png", "x")], None, {}, "written alike"),
        ([("a.png", " "), ("b.png", "x")], None, {}, "one is blank"),
        ([("a.png", 5), ("b.png", 0)], None, {"class_names": NAMES}, "1 label.* none of the 3"),
        ("folder", ["x"], {}, "cannot be known from a list"),
        ("folder", None, {"class_names": NAMES}, "go with data that Python holds"),
        ([("a.png", "x")], None, {"path_column": "p"}, "path_column goes with a DataFrame"),
        (pd.DataFrame({"a": ["x.png"]}), None, {}, "file names is not known; it has 'a'"),
        (pd.DataFrame({"path": ["x.png"]}), None, {}, "labels is not known"),
        (pd.DataFrame({"path": ["x.png"]}), "y", {}, "labels is not known"),
        ([("a.png", "x")], None, {"settings": {"epoch": 1}}, "did you mean 'epochs'"),
    ],
)
def test_what_cannot_be_read_is_told(data, labels, options, message):
    with pytest.raises(UsageError, match=message):
        asked(data, labels, **options)


def test_items_that_are_no_pictures_are_told_by_number(pictures):
    with pytest.raises(InputError, match="Item 0 of the data set is no pair of a PIL image"):
        asked(Pictures(pictures, "array"))
    with pytest.raises(InputError, match="Item 0 of the data set cannot be written as PNG"):
        asked(Pictures(pictures, "CMYK"))
    with pytest.raises(UsageError, match="has its own labels"):
        asked(Pictures(pictures), ["x"] * 24)


@pytest.mark.slow
def test_all_the_evidence_finds_the_wrong_label(pictures):
    found = deftclean.find_label_issues(pictures, settings={"tuner": "none", "epochs": 4}, run=RUN)
    assert found["label_score"].idxmin() == WRONG
    assert found["predicted_label"][WRONG] == "leaf"
