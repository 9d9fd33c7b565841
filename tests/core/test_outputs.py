from pathlib import Path

import pytest

from deftclean.core.errors import UsageError
from deftclean.core.outputs import (
    check_output,
    check_output_folder,
    is_empty_folder,
    refuse_foreign,
)


def test_check_output(tmp_path: Path) -> None:
    (tmp_path / "there.txt").write_text("old")
    check_output(tmp_path / "new.txt", overwrite=False)
    check_output(tmp_path / "there.txt", overwrite=True)
    with pytest.raises(UsageError, match=r"there\.txt exists already\.") as caught:
        check_output(tmp_path / "there.txt", overwrite=False)
    assert "--overwrite" in caught.value.hint
    with pytest.raises(UsageError, match="nowhere for the output does not exist"):
        check_output(tmp_path / "nowhere" / "new.txt", overwrite=True)
    with pytest.raises(UsageError, match="does not exist"):
        check_output(tmp_path / "there.txt" / "new.txt", overwrite=True)


def test_check_output_refuses_a_folder_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "clean.parquet").mkdir()
    with pytest.raises(UsageError, match=r"(?i)folder|directory"):
        check_output(tmp_path / "clean.parquet", overwrite=True)


def test_check_output_folder(tmp_path: Path) -> None:
    check_output_folder(tmp_path / "new", overwrite=False)
    check_output_folder(tmp_path, overwrite=True)
    with pytest.raises(UsageError, match="exists already") as caught:
        check_output_folder(tmp_path, overwrite=False)
    assert "--overwrite" in caught.value.hint
    with pytest.raises(UsageError, match="nowhere does not exist"):
        check_output_folder(tmp_path / "nowhere" / "new", overwrite=True)


def test_only_a_folder_with_all_marks_is_replaced(tmp_path: Path) -> None:
    folder, marks = tmp_path / "mine", ("a.json", "b.json")
    refuse_foreign(folder, marks, "is foreign.")
    folder.mkdir()
    assert is_empty_folder(folder)
    (folder / "a.json").touch()
    assert not is_empty_folder(folder)
    with pytest.raises(UsageError, match=r"mine is foreign\.$"):
        refuse_foreign(folder, marks, "is foreign.")
    (folder / "b.json").touch()
    refuse_foreign(folder, marks, "is foreign.")


def test_a_file_is_never_a_folder_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not is_empty_folder(tmp_path / "file")
    with pytest.raises(UsageError, match="is foreign"):
        refuse_foreign(tmp_path / "file", ("a.json",), "is foreign.")


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a\0b", "x" * 230, "é" * 120])
def test_a_name_that_is_none_or_too_long(tmp_path: Path, name: str) -> None:
    path = Path(name) if name in ("", "/") else tmp_path / name if name != "." else Path()
    for check in (check_output, check_output_folder):
        with pytest.raises(UsageError, match=r"^-o "):
            check(path, True)


def test_a_path_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path.joinpath(*["x" * 200] * 25, "out.parquet")
    with pytest.raises(UsageError, match="the name is too long"):
        check_output(path, overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_input_is_never_an_output(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "sub").mkdir()
    labels = tmp_path / "labels.csv"
    labels.write_text("mine")
    (tmp_path / "link.csv").symlink_to(labels)
    (tmp_path / "hard.csv").hardlink_to(labels)
    for name in ("labels.csv", "sub/../labels.csv", "link.csv", "hard.csv"):
        with pytest.raises(UsageError, match="is the input itself"):
            check_output(tmp_path / name, overwrite, [None, labels])
    check_output(tmp_path / "new.csv", overwrite, [None, labels, tmp_path / "nowhere"])


def test_links_as_outputs(tmp_path: Path) -> None:
    link, real = tmp_path / "link.txt", tmp_path / "elsewhere" / "real.txt"
    link.symlink_to(real)
    with pytest.raises(
        UsageError, match=r"is a link to .*real\.txt, which does not exist"
    ) as caught:
        check_output(link, overwrite=True)
    assert "Remove the link" in caught.value.hint
    real.parent.mkdir()
    real.write_text("old")
    with pytest.raises(UsageError, match="exists already"):
        check_output(link, overwrite=False)
    check_output(link, overwrite=True)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(UsageError, match="is a link to"):
        check_output_folder(loop, overwrite=True)
