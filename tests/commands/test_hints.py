"""Every hint that says what to type is followed, and the command then works."""

import ast
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deftclean.cli.help import HELP, parameters
from deftclean.cli.main import app
from tests.support.commands import run_cli
from tests.support.pictures import COLOURS, draw
from tests.support.places import PACKAGE

QUICK = ("--model", "nano", "--strategy", "label-match", "--no-cache", "-q", "-o", "x.parquet")
NOISE = ("--noise", "symmetric", "--ratio", "0.2", "-q", "-o", "x.csv")
NAMES = [f"{name}/{at}.png" for name in COLOURS for at in range(4)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for at, name in enumerate(NAMES):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(COLOURS[path.parent.name], at).save(path)
    return tmp_path / "data"


def table(path: Path, head: str, row: str) -> None:
    rows = [row.format(name=name, label=name.split("/")[0], at=at) for at, name in enumerate(NAMES)]
    path.write_text("\n".join([head, *rows]), encoding="utf-8")


def flat(data: Path) -> None:
    for path in sorted(data.rglob("*.png")):
        path.rename(data / f"{path.parent.name}-{path.name}")
    rows = [f"{path.name},{path.name.split('-')[0]}" for path in sorted(data.glob("*.png"))]
    (data.parent / "labels.csv").write_text("\n".join(["file_name,label", *rows]))


def padded(data: Path) -> None:
    for number, name in enumerate(COLOURS):
        (data / name).rename(data / f"{number:05d}")
    (data.parent / "names.txt").write_text("\n".join(COLOURS))


def padded_object(data: Path) -> None:
    padded(data)
    named = {f"{number:05d}": name for number, name in enumerate(COLOURS)}
    (data.parent / "names.json").write_text(json.dumps(named))


def elsewhere(data: Path) -> None:
    table(data.parent / "labels.csv", "file_name,label", "{name},{label}")


def clashing(data: Path) -> None:
    table(data.parent / "labels.csv", "file_name,label,row,keep", "{name},{label},1,2")


def semicolons(data: Path) -> None:
    table(data.parent / "labels.csv", "file_name;label", "{name};{label}")


def odd_columns(data: Path) -> None:
    table(data.parent / "labels.csv", "where,what", "{name},{label}")


def two_columns(data: Path) -> None:
    table(data.parent / "labels.csv", "file_name,path,label,class", "{name},x,{label},y")


def paths_only(data: Path) -> None:
    """As `datasets` writes a table of paths."""
    labels = [name.split("/")[0] for name in NAMES]
    empty = pa.array([None] * len(NAMES), pa.binary())
    images = pa.StructArray.from_arrays([empty, pa.array(NAMES)], ["bytes", "path"])
    pq.write_table(pa.table({"image": images, "label": labels}), data.parent / "x.pq.parquet")


def quotes(data: Path) -> None:
    table(data.parent / "bad.csv", "file_name,label,note", '{name},{label},15" wide')
    table(data.parent / "labels.csv", "file_name,label,note", '{name},{label},"15"" wide"')


@pytest.mark.parametrize(
    ("prepare", "given", "hinted", "followed"),
    [
        (flat, "data", "deftclean scan data/ labels.csv", "data labels.csv"),
        (padded, "data", "--class-names names.txt", "data --class-names names.txt"),
        (padded_object, "data", '{"00000": "cat"', "data --class-names names.json"),
        (elsewhere, "labels.csv", "deftclean scan data labels.csv", "data labels.csv"),
        (
            clashing, "data labels.csv", "--rename keep=input_keep --rename row=input_row",
            "data labels.csv --rename keep=input_keep --rename row=input_row",
        ),
        (semicolons, "data labels.csv", "--delimiter ';'", "data labels.csv --delimiter ;"),
        (
            odd_columns, "data labels.csv", "--path-column where --label-column what",
            "data labels.csv --path-column where --label-column what",
        ),
        (
            two_columns, "data labels.csv", "--path-column file_name --label-column label",
            "data labels.csv --path-column file_name --label-column label",
        ),
        (paths_only, "x.pq.parquet", "deftclean scan data/ labels.csv", "data x.pq.parquet"),
        (quotes, "data bad.csv", '"15"" wide"', "data labels.csv"),
        (elsewhere, "data --label-column x", "deftclean scan data/ labels.csv", "data labels.csv"),
    ],
)  # fmt: skip
def test_a_scan_that_follows_the_hint(prepare, given, hinted, followed, data, tmp_path):
    prepare(data)
    refused = run_cli("scan", *given.split(), *QUICK, cwd=tmp_path)
    assert refused.returncode == 2, refused.stdout
    assert hinted in refused.stderr
    if prepare not in (elsewhere, paths_only):
        # What a scan reads, without a model.
        done = run_cli("corrupt", *followed.split(), *NOISE, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return
    done = run_cli("scan", *followed.split(), *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert pq.read_table(tmp_path / "x.parquet")["status"].to_pylist() == ["ok"] * len(NAMES)


def embedded(data: Path) -> None:
    """A table that holds its pictures, half of them as files."""
    pictures = [(data / name).read_bytes() if at % 2 else None for at, name in enumerate(NAMES)]
    named = [None if data else name for data, name in zip(pictures, NAMES, strict=True)]
    columns = [pa.array(pictures, pa.binary()), pa.array(named)]
    images = pa.StructArray.from_arrays(columns, ["bytes", "path"])
    labels = [name.split("/")[0] for name in NAMES]
    pq.write_table(pa.table({"image": images, "label": labels}), data.parent / "train.parquet")


def test_pictures_in_a_table_and_beside_it(data, tmp_path):
    embedded(data)
    done = run_cli("scan", "data", "train.parquet", *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert pq.read_table(tmp_path / "x.parquet")["status"].to_pylist() == ["ok"] * len(NAMES)
    for command in ("report x.parquet -o x.html", "export x.parquet --to folder -o out --rows all"):
        done = run_cli(*command.split(), "--data", "train.parquet", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").rglob("*.png"))) == len(NAMES)


@pytest.mark.slow
def test_other_hints(data, tmp_path):
    """Outputs that are there; pictures that moved, or lie in a table."""

    def step(said: str | None, *words: str) -> None:
        done = run_cli(*words, cwd=tmp_path)
        assert done.returncode == (0 if said is None else 2), done.stderr
        assert said is None or said in done.stderr

    step(None, "scan", "data", *QUICK)
    step("--overwrite", "scan", "data", *QUICK)
    step(None, "scan", "data", *QUICK, "--overwrite")
    shutil.move(data, tmp_path / "moved")
    step("--data FOLDER", "export", "x.parquet", "--to", "folder", "-o", "out")
    step(None, "export", "x.parquet", "--to", "folder", "-o", "out", "--data", "moved")
    pictures = [(tmp_path / "moved" / name).read_bytes() for name in NAMES]
    labels = [name.split("/")[0] for name in NAMES]
    pq.write_table(pa.table({"image": pictures, "label": labels}), tmp_path / "train.parquet")
    step(None, "scan", "train.parquet", *QUICK, "--overwrite")
    step("--data train.parquet", "report", "x.parquet", "-o", "x.html")
    step(None, "report", "x.parquet", "-o", "x.html", "--data", "train.parquet")
    step("--to imagefolder", "export", "x.parquet", "--to", "fiftyone", "-o", "fo")
    step(
        None, "export", "x.parquet", "--to", "imagefolder", "-o", "pics", "--rows", "all",
        "--data", "train.parquet",
    )  # fmt: skip


# ---------------------------------------------------------------- every text of ours

FLAGS = {
    str(each.name or each.callback.__name__): {
        *(flag for one in parameters(each.callback) if one.is_option for flag in one.flags),
        *HELP,
    }
    for each in app.registered_commands
}
OF_ALL = set().union(*FLAGS.values()) | {"--config", "--version", "--install-completion"}
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z](?!-)")


def texts() -> Iterator[tuple[str, str]]:
    """Where each text stands, and the text; what is filled in is a NUL."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            place = f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.JoinedStr):
                parts = [v.value if isinstance(v, ast.Constant) else "\0" for v in node.values]
                yield place, "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield place, node.value


def test_every_option_that_is_named_anywhere_exists():
    """In messages, hints, help and comments for people; of the command that it is named with."""
    named, strangers = 0, []
    for place, text in texts():
        for flag in FLAG.findall(text):
            named += 1
            if flag not in OF_ALL and flag != "--no":  # which begins negations
                strangers.append((place, flag))
        for command, words in re.findall(r"deftclean ([a-z]+)\b([^\n,;:.()\0]*)", text):
            wrong = set(FLAG.findall(words)) - FLAGS.get(command, OF_ALL)
            strangers += [(place, f"{command} {flag}") for flag in sorted(wrong)]
    assert named > 400
    assert not strangers
