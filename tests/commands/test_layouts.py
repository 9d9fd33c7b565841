"""The layouts that people have: recognised and said in one line, or refused with what works.

Through the real command line, on real pictures. `corrupt` reads its input as `scan` does, and needs
no model.
"""

import re
import shlex
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
import pytest

from tests.support.commands import Finished, run_cli
from tests.support.pictures import COLOURS, draw

QUICK = ("--model", "nano", "--strategy", "label-match", "--no-cache", "-o", "x.parquet")
NOISE = ("--noise", "symmetric", "--ratio", "0", "-o", "x.csv", "--overwrite")
EACH = 4


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Twelve pictures in three class folders, in `data`."""
    for name, colour in COLOURS.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        for at in range(EACH):
            draw(colour, at, 12).save(tmp_path / "data" / name / f"{name}{at}.png")
    return tmp_path


def moved(home: Path, layout: str) -> None:
    """The class folders to other places: `train/{}` for the first two, `val/{}` for all others."""
    (home / "data").rename(home / "old")
    for path in sorted((home / "old").rglob("*.png")):
        split, _, number = layout.partition("|")
        where = split if int(path.stem[-1]) < EACH // 2 else number or split
        new = home / "data" / where.format(path.parent.name) / path.name
        new.parent.mkdir(parents=True, exist_ok=True)
        path.rename(new)


def read(home: Path, *words: object) -> dict[str, list[str]]:
    """Columns of a table that was read, with its labels as they were."""
    done = run_cli("corrupt", *words, *NOISE, cwd=home)
    assert done.returncode == 0, done.stderr
    return pv.read_csv(home / "x.csv").to_pydict() | {"said": done.stderr.splitlines()}


def right(columns: dict[str, list[str]]) -> bool:
    """Whether every row has the label that its file is called after."""
    pairs = zip(columns["file_name"], columns["label"], strict=True)
    return all(Path(name).name.startswith(label) for name, label in pairs)


def refused(home: Path, *words: object) -> Finished:
    done = run_cli("scan", *words, *QUICK, cwd=home)
    assert done.returncode == 2, done.stdout + done.stderr
    return done


def commands(done: Finished) -> list[list[str]]:
    """The commands that a refusal names, but for `deftclean scan`."""
    return [
        shlex.split(found)[2:]
        for found in re.findall(r"deftclean scan .+?(?= if |$)", done.stderr, re.M)
    ]


@pytest.mark.parametrize(
    "layout",
    ["train/{}|val/{}", "Training/{}|Testing/{}", "seg_train/seg_train/{}|seg_test/seg_test/{}",
     "images/train/{}|images/val/{}", "my_train_set/{}|my_test_set/{}"],
)  # fmt: skip
def test_split_folders(home: Path, layout: str) -> None:
    moved(home, layout)
    if not layout.startswith("images"):
        (home / "data" / "stray").mkdir()
        draw(COLOURS["leaf"], 1, 12).save(home / "data" / "stray" / "a.png")
    found = read(home, "data")
    assert right(found)
    assert len(found["label"]) == 3 * EACH
    assert len(set(found["split"])) == 2
    assert any("split folders" in line and "3 classes" in line for line in found["said"])
    first = found["split"][0]
    alone = read(home, "data", "--split", first)
    assert right(alone)
    assert alone["split"] == [split for split in found["split"] if split == first]


def test_a_scan_keeps_splits_apart(home: Path) -> None:
    moved(home, "train/{}|test/{}")
    done = run_cli("scan", "data", *QUICK, cwd=home)
    assert done.returncode == 0, done.stderr
    assert "split folders test, train; 3 classes below them" in done.stderr
    table = pq.read_table(home / "x.parquet")
    assert set(table["given_label"].to_pylist()) == set(COLOURS)
    assert table["split"].to_pylist() == ["test"] * 6 + ["train"] * 6
    assert re.search(r"^split +kept +flagged +of\ntest .* 6\ntrain .* 6$", done.stdout, re.M)


def test_a_wrapping_folder(home: Path) -> None:
    moved(home, "dataset/{}")
    found = read(home, "data")
    assert right(found)
    assert "split" not in found
    assert any("folder dataset holds everything" in line for line in found["said"])


def test_a_split_or_a_class(home: Path) -> None:
    moved(home, "train/{}|more")
    typed = commands(refused(home, "data"))
    assert len(typed) == 2
    assert set(read(home, *typed[0])["label"]) == set(COLOURS)
    assert set(read(home, *typed[1])["label"]) == {"train", "more"}


def test_a_split_column(home: Path) -> None:
    rows = [f"{path.relative_to(home / 'data')},{path.parent.name},{split}"
            for path in sorted((home / "data").rglob("*.png"))
            for split in ["Train" if path.stem.endswith("0") else "valid"]]  # fmt: skip
    (home / "labels.csv").write_text("\n".join(["file_name,label,split", *rows]))
    found = read(home, "data", "labels.csv")
    assert any("column split: Train 3, valid 9" in line for line in found["said"])
    assert len(found["split"]) == 3 * EACH
    found = read(home, "data", "labels.csv", "--split", "train")
    assert found["split"] == ["Train"] * 3
    assert right(found)
    said = refused(home, "data", "labels.csv", "--split", "x").stderr
    assert "It has the splits Train, valid" in said
    table = pa.table({"label": ["a"], "image": [b"\xff"], "split": ["train"]})
    pq.write_table(table, home / "x.parquet")
    done = run_cli("corrupt", "x.parquet", "--split", "train", *NOISE, cwd=home)
    assert "holds the images itself" in done.stderr


# ---------------------------------------------------------------- several labels in a cell


def rows(home: Path) -> list[tuple[str, str]]:
    """Names below `data` and labels."""
    found = sorted((home / "data").rglob("*.png"))
    return [(path.relative_to(home / "data").as_posix(), path.parent.name) for path in found]


def write(path: Path, head: str, lines: list[str], encoding: str = "utf-8") -> None:
    path.write_text("\n".join([*([head] if head else []), *lines, ""]), encoding=encoding)


def test_several_labels_in_a_cell(home: Path) -> None:
    lines = [f'{name},"{label}"' for name, label in rows(home)]
    lines[:2] = [f'{name},"apple|leaf"' for name, _ in rows(home)[:2]]
    write(home / "labels.csv", "file_name,label", lines)
    said = refused(home, "data", "labels.csv").stderr
    assert "2 rows have several labels in column 'label': 'apple|leaf' (2 rows)" in said
    assert "--class-names names.txt" in said
    (home / "names.txt").write_text("apple\nleaf\nocean\napple|leaf\n")
    found = read(home, "data", "labels.csv", "--class-names", "names.txt")
    assert found["label"].count("apple|leaf") == 2
    lines = [f'{name},"[""{label}""]"' for name, label in rows(home)]
    write(home / "labels.csv", "file_name,label", lines)
    done = run_cli("scan", "data", "labels.csv", *QUICK, cwd=home)
    assert "lists of one label each" in done.stderr
    assert set(pq.read_table(home / "x.parquet")["given_label"].to_pylist()) == set(COLOURS)
