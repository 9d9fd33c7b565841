"""The folder walk is what listing with pathlib would give."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deftclean.data.folders import IMAGE_SUFFIXES, walk_images


def plain(root: Path) -> tuple[list[str], Counter[str]]:
    """Names of images, and how many other files by suffix, of a folder without links."""
    names, others = [], Counter[str]()
    for path in root.rglob("*"):
        way = path.relative_to(root)
        if path.is_dir() or any(part.startswith(".") for part in way.parts):
            continue
        if path.suffix.lower() in IMAGE_SUFFIXES:
            names.append(way.as_posix())
        else:
            others[path.suffix.lower() or "no suffix"] += 1
    return sorted(names), others


parts = st.text("aA.é\\ ", min_size=1, max_size=3).filter(lambda part: part not in (".", ".."))
endings = st.sampled_from([".png", ".JPG", ".txt", ".", "", "..png", ".png.gz"])
files = st.tuples(st.lists(parts, max_size=2), parts, endings)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tree=st.lists(files, max_size=8), follow=st.booleans())
def test_as_pathlib_lists_it(tmp_path: Path, tree: list, follow: bool) -> None:
    root = tmp_path / "root"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for folders, name, ending in tree:
        path = root.joinpath(*folders, name + ending)
        if not any(p.is_file() for p in path.parents) and not path.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    names, others = plain(root)
    found, notes = walk_images(root, follow)
    assert found == names
    assert bool(notes) == bool(others)
    if others:
        count = others.total()
        files = (
            f"{count} files that are not images were"
            if count > 1
            else "1 file that is no image was"
        )
        assert notes[0].startswith(f"{files} left out")
        listed = notes[0].partition("(")[2].rstrip(")").split(", ")
        assert {text.rpartition(" ")[0] for text in listed} <= set(others)


@pytest.mark.parametrize("root", ["data", "./data", "data/../data", "."])
def test_a_relative_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "cat" / "a.png").touch()
    monkeypatch.chdir(tmp_path)
    expected = "data/cat/a.png" if root == "." else "cat/a.png"
    assert walk_images(Path(root), follow=False) == ([expected], ())


@pytest.mark.parametrize("name", ["@eaDir", "#recycle", "lost+found", "__MACOSX", "$RECYCLE.BIN",
                                  "System Volume Information", ".ipynb_checkpoints"])  # fmt: skip
def test_folders_of_the_system_are_no_classes(tmp_path, name):
    for folder in ("cat", name, f"cat/{name}"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").touch()
    names, notes = walk_images(tmp_path, follow=False)
    assert names == ["cat/a.png"]
    if not name.startswith("."):
        assert notes == (f"2 folder(s) of the system were left out ({name}, cat/{name})",)
