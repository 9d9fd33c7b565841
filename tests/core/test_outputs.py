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
