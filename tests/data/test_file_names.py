"""Names of all rows at once are what each row alone would get."""

import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deftclean.core.errors import InputError
from deftclean.data.file_names import relative_names
from tests.support.arrow_columns import LAYOUTS, Layout, column_of


def plain(written: list[str | None], table: Path, root: Path) -> list[tuple[str, bool]]:
    """The same, a row at a time."""
    rows = []
    for row, name in enumerate(written):
        if name is None or not name.strip():
            rows.append((f"{table.name}#{row}", False))
            continue
        if "\\" in name and not os.path.lexists(root / name):
            name = name.replace("\\", "/")
        name = name.removeprefix("./")
        if name.startswith("/"):
            for way in (root.resolve(), root.absolute()):
                if name.startswith(f"{way}/"):
                    name = name.removeprefix(f"{way}/")
                    break
            else:
                name = Path(os.path.relpath(name, root.resolve())).as_posix()
        rows.append((name, True))
    return rows


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder behind a link, with a file that is really called so."""
    real = tmp_path_factory.mktemp("real")
    (real / "cat\\a.png").touch()
    (real / "dog").mkdir()
    (real / "dog" / "b\\c").touch()
    link = tmp_path_factory.mktemp("way") / "data"
    link.symlink_to(real)
    return link


ways = ["cat\\a.png", "dog/", "b\\c", "ROOT/", "REAL/", "REALish/", "./", "../", "/", ".", "\\"]
signs = [" ", "\t", "\xa0", "\u2003", "\u200b", "\x1c", "\x85", "é", "猫", "a", "Ä"]
pieces = st.sampled_from(ways + signs)
names = st.none() | st.lists(pieces, max_size=4).map("".join) | st.text(max_size=6)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    written=st.lists(names, max_size=8),
    layout=st.sampled_from(LAYOUTS),
)
@example(["cat\\a.png", "./cat\\a.png", None, "ROOT/dog/b\\c", "ROOT/dog/b\\d"], "string")
@example([None, None], "dictionary")
@example(["./a.png", None, "./é.png", "b.png"], "string")
def test_all_rows_at_once_as_each_alone(
    root: Path, written: list[str | None], layout: Layout
) -> None:
    ways = {"ROOT": f"{root}", "REAL": f"{root.resolve()}"}
    for word, way in ways.items():
        written = [name and name.replace(word, way) for name in written]
    try:
        column = column_of(written, layout)
    except UnicodeEncodeError:
        return  # no table holds such text
    found, named = relative_names(column, Path("some/labels.csv"), root)
    assert found.type == pa.string()
    rows = list(zip(found.to_pylist(), named.tolist(), strict=True))
    assert rows == plain(written, Path("labels.csv"), root)


def test_every_space_that_python_knows_is_blank(root: Path) -> None:
    spaces = [chr(code) for code in range(0x110000) if chr(code).isspace()]
    assert len(spaces) > 20
    _, named = relative_names(pa.array(spaces), Path("x.csv"), root)
    assert not named.any()


def test_names_that_are_not_text(root: Path) -> None:
    with pytest.raises(InputError, match=r"^x\.csv: the file names are not text: "):
        relative_names(pa.array([["a.png"]]), Path("x.csv"), root)


def test_names_in_another_unicode_form(tmp_path):
    """macOS writes accents as letters of their own; the name that is there wins."""
    composed, apart = "caf\u00e9", "cafe\u0301"
    for name in (apart, composed):
        (tmp_path / name).mkdir()
    for name in (f"{apart}/{apart}1.png", f"{composed}/{apart}2.png", f"{apart}-only.png"):
        (tmp_path / name).touch()
    written = [
        f"{apart}/{composed}1.png", f"{composed}/{composed}2.png", f"{composed}-only.png",
        f"{apart}-only.png", f"{composed}/missing.png", "plain.png", "猫.png", None,
        f"../{composed}.png",
    ]  # fmt: skip
    names, _ = relative_names(pa.array(written), tmp_path / "x.csv", tmp_path)
    assert names.to_pylist() == [
        f"{apart}/{apart}1.png", f"{composed}/{apart}2.png", f"{apart}-only.png",
        f"{apart}-only.png", f"{composed}/missing.png", "plain.png", "猫.png", "x.csv#7",
        f"../{composed}.png",
    ]  # fmt: skip


def test_unicode_forms_in_deep_folders_and_outside(tmp_path):
    """Only what lies below the data folder is looked up; a file has nothing below it."""
    composed, apart = "caf\u00e9.png", "cafe\u0301.png"
    root = tmp_path / "data"
    (root / "a" / "b").mkdir(parents=True)
    for folder in (root / "a" / "b", tmp_path):
        (folder / apart).touch()
    (root / "plain.png").touch()
    written = [f"a/b/{composed}", f"../{composed}", f"plain.png/{composed}", None]
    names, named = relative_names(pa.array(written), tmp_path / "x.csv", root)
    assert names.to_pylist() == [
        f"a/b/{apart}", f"../{composed}", f"plain.png/{composed}", "x.csv#3",
    ]  # fmt: skip
    assert named.tolist() == [True, True, True, False]
