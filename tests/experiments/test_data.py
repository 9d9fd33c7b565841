"""Rows of cells: from public layouts and from data of the user's own, with their truth."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deftclean.core.errors import InputError, UsageError
from deftclean.core.progress import Silent
from deftclean.experiments.cells import LabelledData
from deftclean.experiments.data import CellData
from deftclean.experiments.own_data import OwnData
from tests.support import public_layouts as layouts
from tests.support.pictures import COLOURS, draw


def places(folder: Path, root: Path | None = None, own=(), limit=None, all_rows=False) -> CellData:
    folder.mkdir(exist_ok=True)
    return CellData(folder, root, {each.name: each for each in own}, limit, all_rows, Silent())


def column(path: Path, name: str) -> list[str]:
    with path.open(newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


@pytest.fixture
def own(folder, labels) -> OwnData:
    """`folder` holds 60 pictures, of which every tenth lies in the wrong class folder."""
    true = [list(COLOURS)[int(Path(name).stem) % 3] for name in column(labels, "file_name")]
    path = folder.parent / "truth.csv"
    with path.open("w", newline="") as file:
        rows = zip(column(labels, "file_name"), true, strict=True)
        csv.writer(file).writerows([("file_name", "true_label"), *reversed(list(rows))])
    return OwnData("mine", images=folder, labels=labels, truth=path, test=folder)


def test_own_data_with_its_truth(own, tmp_path):
    data = places(tmp_path / "rows", own=[own])
    rows = data.rows(LabelledData("mine"), 0)
    assert rows.images == own.images
    assert column(rows.labels, "label") == column(own.labels, "label")
    wrong = rows.wrong().to_pylist()
    assert sum(wrong) == 6
    given, true = column(rows.labels, "label"), column(rows.truth, "true_label")
    assert wrong == [g != t for g, t in zip(given, true, strict=True)]


def test_noise_is_put_into_true_labels_and_made_once(own, tmp_path):
    data = places(tmp_path / "rows", own=[own])
    made = [data.rows(LabelledData("mine", "symmetric", 0.5), seed) for seed in (0, 1, 0)]
    assert made[0] == made[2] != made[1]
    first, second = (column(rows.labels, "label") for rows in made[:2])
    assert first != second
    true = column(made[0].truth, "true_label")
    assert true == column(data.rows(LabelledData("mine"), 0).truth, "true_label")
    assert made[0].wrong().to_pylist() == [g != t for g, t in zip(first, true, strict=True)]
    written = made[0].labels.stat().st_mtime_ns
    data.rows(LabelledData("mine", "symmetric", 0.5), 0)
    assert made[0].labels.stat().st_mtime_ns == written
    assert not list((tmp_path / "rows").glob(".*"))


def test_rows_that_another_command_makes_meanwhile(own, tmp_path, monkeypatch):
    data, other = (places(tmp_path / "rows", own=[own]) for _ in range(2))
    write = CellData._write_card

    def meanwhile(self, *about):
        if self is data:
            others.append(other.rows(LabelledData("mine"), 0))
        write(self, *about)

    others = []
    monkeypatch.setattr(CellData, "_write_card", meanwhile)
    assert [data.rows(LabelledData("mine"), 0)] == others
    assert len(list((tmp_path / "rows").iterdir())) == 1


def test_rows_that_a_killed_run_was_about_to_move_to_their_place(own, tmp_path):
    """Its journal stands and no move is made: it is finished, not met by a second attempt."""
    data = places(tmp_path / "rows", own=[own])
    made = data.rows(LabelledData("mine"), 0)
    (home,) = (tmp_path / "rows").iterdir()
    hidden = home.with_name(f".{home.name}.00aa00aa.tmp")
    home.rename(hidden)
    moves = {"moves": [[hidden.name, home.name]], "removed": []}
    home.with_name(f".{home.name}.switch").write_text(json.dumps(moves) + "\n")
    again = places(tmp_path / "rows", own=[own]).rows(LabelledData("mine"), 0)
    assert again == made
    assert list((tmp_path / "rows").iterdir()) == [home]


def test_instance_dependent_noise(own, tmp_path):
    data = places(tmp_path / "rows", own=[own])
    rows = data.rows(LabelledData("mine", "instance-dependent", 0.4), 3)
    assert 5 < sum(rows.wrong().to_pylist()) < 45


def test_class_folders_are_the_truth(folder, tmp_path):
    data = places(tmp_path / "rows", own=[OwnData("mine", images=folder)])
    rows = data.rows(LabelledData("mine"), 0)
    assert len(rows.wrong()) == 60
    assert not any(rows.wrong().to_pylist())


def test_without_truth_nothing_is_known_of_wrong_labels(folder, labels, tmp_path):
    data = places(tmp_path / "rows", own=[OwnData("mine", images=folder, labels=labels)])
    assert data.rows(LabelledData("mine"), 0).wrong().null_count == 60
    with pytest.raises(InputError, match="the true label of 60 of 60 rows is not known"):
        data.rows(LabelledData("mine", "symmetric", 0.2), 0)


def test_several_columns_of_one_table(folder, tmp_path):
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))
    with (tmp_path / "people.csv").open("w", newline="") as file:
        rows = [(name, "apple", "leaf", "ocean") for name in names]
        csv.writer(file).writerows([("file_name", "worse", "random1", "clean"), *rows])
    people = tmp_path / "people.csv"
    own = [OwnData(name, folder, people, name, people, "clean") for name in ("worse", "random1")]
    data = places(tmp_path / "rows", own=own)
    assert set(column(data.rows(LabelledData("worse"), 0).labels, "label")) == {"apple"}
    assert set(column(data.rows(LabelledData("random1"), 0).labels, "label")) == {"leaf"}
    assert all(data.rows(LabelledData("random1"), 0).wrong().to_pylist())


def test_changed_labels_are_prepared_anew(own, tmp_path):
    before = places(tmp_path / "rows", own=[own])
    first = before.rows(LabelledData("mine"), 0)
    own.labels.write_text(own.labels.read_text().replace("apple,", "leaf,"))
    after = places(tmp_path / "rows", own=[own])
    assert after.identity(LabelledData("mine"), 0) != before.identity(LabelledData("mine"), 0)
    assert after.rows(LabelledData("mine"), 0) != first


def test_a_picture_in_another_class_folder_is_other_data(folder, tmp_path):
    own = OwnData("mine", images=folder)
    before = places(tmp_path / "rows", own=[own]).identity(LabelledData("mine"), 0)
    first, second = sorted(path for path in folder.iterdir() if path.is_dir())[:2]
    moved = next(first.iterdir())
    moved.rename(second / f"moved{moved.suffix}")
    assert places(tmp_path / "rows", own=[own]).identity(LabelledData("mine"), 0) != before


def test_a_test_picture_in_another_class_folder_is_other_data(own, tmp_path):
    test = tmp_path / "test"
    for name in ("apple", "leaf"):
        (test / name).mkdir(parents=True)
        draw(COLOURS[name], 0).save(test / name / f"{name}.png")
    own = replace(own, test=test)
    before = places(tmp_path / "rows", own=[own])
    first = before.test_rows("mine")
    (test / "apple" / "apple.png").rename(test / "leaf" / "apple.png")
    after = places(tmp_path / "rows", own=[own])
    assert after.identity(LabelledData("mine"), 0) != before.identity(LabelledData("mine"), 0)
    assert column(first.labels, "label") == ["apple", "leaf"]
    assert column(after.test_rows("mine").labels, "label") == ["leaf", "leaf"]


@pytest.mark.parametrize("key", ["label_column", "truth_column"])
def test_a_column_that_is_not_there_is_told_by_its_key(own, tmp_path, key):
    data = places(tmp_path / "rows", own=[replace(own, **{key: "gone"})])
    with pytest.raises((InputError, UsageError), match=rf"'gone' \({key} of \[data\.mine\]\)"):
        data.rows(LabelledData("mine"), 0)


def test_public_data_elsewhere_are_others(tmp_path):
    for name in ("one", "two"):
        layouts.cifar10(tmp_path / name / "cifar10")
    given = LabelledData("cifar10")
    one, two = (places(tmp_path / "rows", tmp_path / name) for name in ("one", "two"))
    assert one.identity(given, 0) != two.identity(given, 0)
    assert one.rows(given, 0).labels != two.rows(given, 0).labels
    (tmp_path / "moved").mkdir()
    for name in ("one", "rows"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    moved = places(tmp_path / "moved" / "rows", tmp_path / "moved" / "one")
    assert moved.identity(given, 0) == one.identity(given, 0)


def test_ratios_that_differ_little_are_other_rows(own, tmp_path):
    data = places(tmp_path / "rows", own=[own])
    made = {data.rows(LabelledData("mine", "symmetric", r), 0) for r in (0.2, 0.2000001)}
    assert len(made) == 2


def test_a_file_named_twice_by_the_truth_is_refused(own, tmp_path):
    with own.truth.open("a") as file:
        file.write(f"{column(own.labels, 'file_name')[0]},apple\n")
    with pytest.raises(InputError, match="names 1 files more than once"):
        places(tmp_path / "rows", own=[own]).rows(LabelledData("mine"), 0)


def test_what_fails_leaves_nothing(own, tmp_path):
    own.labels.write_text("nonsense\n")
    data = places(tmp_path / "rows", own=[own])
    with pytest.raises(InputError):
        data.rows(LabelledData("mine"), 0)
    assert not list((tmp_path / "rows").iterdir())


# ---------------------------------------------------------------- public data sets


def test_cifar_with_noise_and_its_test(tmp_path):
    layouts.cifar10(tmp_path / "root" / "cifar10")
    data = places(tmp_path / "rows", tmp_path / "root")
    rows = data.rows(LabelledData("cifar10", "symmetric", 0.5), 0)
    assert len(rows.wrong()) == 10
    assert all((rows.images / name).is_file() for name in column(rows.labels, "file_name"))
    assert rows.images.is_relative_to((tmp_path / "rows").resolve())
    other = data.rows(LabelledData("cifar10", "symmetric", 0.2), 1)
    assert other.images == rows.images  # 50,000 pictures are written once
    test = data.test_rows("cifar10")
    assert column(test.labels, "label") == ["truck", "airplane"]


def test_noise_of_its_own_takes_no_other(tmp_path):
    root = tmp_path / "root" / "cifar100n"
    classes = layouts.cifar100(root)
    noisy = np.array([(label + 1) % 100 for label in classes])
    sets = {"noisy_label": noisy, "clean_label": np.array(classes)}
    layouts.human_labels(root / "CIFAR-100_human.pt", sets)
    data = places(tmp_path / "rows", tmp_path / "root")
    assert all(data.rows(LabelledData("cifar100n"), 0).wrong().to_pylist())
    assert len(data.test_rows("cifar100n").wrong()) == 1
    with pytest.raises(UsageError, match="cifar100n has wrong labels of its own"):
        data.rows(LabelledData("cifar100n", "symmetric", 0.2), 0)


def test_clothing1m_is_a_balanced_sample_unless_all_rows_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("deftclean.datasets.web_sets._BALANCED", 3)
    layouts.clothing1m(tmp_path / "root" / "clothing1m", [0, 0, 0, 0, 1, 1, 2])
    given = LabelledData("clothing1m")
    sample = places(tmp_path / "rows", tmp_path / "root")
    assert len(column(sample.rows(given, 0).labels, "label")) == 3
    assert sample.identity(given, 0) != sample.identity(given, 1)
    everything = places(tmp_path / "rows", tmp_path / "root", all_rows=True)
    assert len(column(everything.rows(given, 0).labels, "label")) == 7
    assert everything.identity(given, 0) == everything.identity(given, 1)
    assert everything.rows(given, 0).wrong().null_count == 5
    assert len(column(everything.test_rows("clothing1m").labels, "label")) == 1


def test_what_is_missing_is_told_with_what_to_put_where(own, tmp_path):
    layouts.cifar10(tmp_path / "root" / "cifar10")
    gone = OwnData("gone", images=tmp_path / "nowhere")
    data = places(tmp_path / "rows", tmp_path / "root", own=[own, gone])
    names = ["mine", "gone", "cifar10", "cub-200-2011", "food-101n"]
    found = data.missing(names, ["cifar10", "food-101n"])
    assert list(found) == ["gone", "cub-200-2011", "food-101n"]
    assert str(tmp_path / "nowhere") in found["gone"]
    assert "Needed:" in found["cub-200-2011"]
    assert "Published:" in found["cub-200-2011"]
    alone = places(tmp_path / "rows").missing(["cifar10"], [])
    assert alone == {"cifar10": "give --data ROOT, with the data set in ROOT/cifar10"}


# ---------------------------------------------------------------- samples


def test_limited_rows_are_the_same_rows_with_their_truth(own, tmp_path):
    whole = places(tmp_path / "rows", own=[own]).rows(LabelledData("mine"), 0)
    few = places(tmp_path / "rows", own=[own], limit=12).rows(LabelledData("mine"), 0)
    truth = dict(zip(column(whole.truth, "file_name"), column(whole.truth, "wrong"), strict=True))
    names = column(few.truth, "file_name")
    assert len(names) == 12
    assert names == column(few.labels, "file_name")
    assert column(few.truth, "wrong") == [truth[name] for name in names]
