import errno
import os
import signal
import subprocess
import textwrap
from pathlib import Path

import pytest

from deftclean.core import files
from deftclean.core.errors import RunError, UsageError
from deftclean.core.files import expanded, make_sized, read_text
from deftclean.core.switch import whole_file, whole_folder
from tests.support.processes import start_python


def write(path: Path, text: str, overwrite: bool = False, fail: Exception | None = None) -> None:
    with whole_file(path, overwrite) as temporary:
        temporary.write_text(text)
        if fail:
            raise fail


def write_folder(
    path: Path, files: dict[str, str], overwrite: bool = False, fail: Exception | None = None
) -> None:
    with whole_folder(path, overwrite) as temporary:
        for name, text in files.items():
            (temporary / name).parent.mkdir(exist_ok=True)
            (temporary / name).write_text(text)
        if fail:
            raise fail


def start(script: str, *arguments: object) -> "subprocess.Popen[str]":
    """Another Python process that can import deftclean."""
    code = textwrap.dedent(script)
    return start_python("-c", code, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_is_written_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "out.txt", "whole")
    assert (tmp_path / "out.txt").read_text() == "whole"
    assert names_in(tmp_path) == ["out.txt"]


def test_nobody_sees_the_file_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with whole_file(path, False) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == tmp_path  # the same file system, so that a rename is atomic


def test_an_existing_file_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(UsageError, match="made by another process") as caught:
        write(path, "new")
    assert caught.value.exit_code == 2
    assert "--overwrite" in caught.value.hint
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["out.txt"]


def test_overwrite_replaces_an_existing_file(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    write(path, "new", overwrite=True)
    assert path.read_text() == "new"
    assert names_in(tmp_path) == ["out.txt"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("error", [ValueError("body"), KeyboardInterrupt()])
def test_a_failing_body_leaves_nothing_behind(
    tmp_path: Path, overwrite: bool, error: Exception
) -> None:
    with pytest.raises(type(error)):
        write(tmp_path / "out.txt", "half", overwrite, fail=error)
    assert names_in(tmp_path) == []


def test_a_failing_body_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(ValueError, match="body"):
        write(path, "new", overwrite=True, fail=ValueError("body"))
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["out.txt"]


def test_a_missing_folder_is_a_run_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="could not be written: No such file or directory"):
        write(tmp_path / "nowhere" / "out.txt", "text")


def test_a_full_disk_at_the_last_moment_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "out.txt"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="could not be written: No space left on device") as caught:
        write(path, "new", overwrite=True)
    assert caught.value.exit_code == 3
    assert caught.value.hint.startswith("Free space")
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["out.txt"]


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_names: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write(tmp_path / "out.txt", "first")
    with pytest.raises(UsageError, match="made by another process"):
        write(tmp_path / "out.txt", "second")
    assert (tmp_path / "out.txt").read_text() == "first"
    assert names_in(tmp_path) == ["out.txt"]


def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    script = """
        import sys, time
        from pathlib import Path
        from deftclean.core.switch import whole_file
        with whole_file(Path(sys.argv[1]), True) as temporary:
            temporary.write_text("half")
            print("writing", flush=True)
            time.sleep(60)
    """
    process = start(script, path)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    write(path, "new", overwrite=True)  # what it left behind is in nobody's way
    assert path.read_text() == "new"


def test_of_two_processes_exactly_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    script = """
        import sys
        from pathlib import Path
        from deftclean.core.errors import UsageError
        from deftclean.core.switch import whole_file
        try:
            with whole_file(Path(sys.argv[1]), False) as temporary:
                temporary.write_text(sys.argv[2] * 100_000)
                print("ready", flush=True)
                sys.stdin.readline()
        except UsageError as error:
            sys.exit(error.exit_code)
    """
    processes = [start(script, path, letter) for letter in "ab"]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.communicate("go\n", timeout=30)
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0, 2]
    assert path.read_text() == "ab"[codes.index(0)] * 100_000
    assert names_in(tmp_path) == ["out.txt"]


def test_a_disk_that_fills_up_while_writing(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    script = """
        import resource, sys
        from pathlib import Path
        from deftclean.core.errors import RunError
        from deftclean.core.switch import whole_file
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            with whole_file(Path(sys.argv[1]), True) as temporary:
                temporary.write_bytes(b"x" * 1_000_000)
        except RunError as error:
            print(error.message)
            sys.exit(error.exit_code)
    """
    process = start(script, path)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 3
    assert output == f"{path} could not be written: File too large.\n"
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["out.txt"]


def test_a_folder_is_published_with_its_sub_folders(tmp_path: Path) -> None:
    write_folder(tmp_path / "out", {"a.txt": "1", "sub/b.txt": "2"})
    assert (tmp_path / "out" / "sub" / "b.txt").read_text() == "2"
    assert names_in(tmp_path) == ["out"]


def test_an_existing_folder_is_refused_and_kept(tmp_path: Path) -> None:
    write_folder(tmp_path / "out", {"a.txt": "old"})
    with pytest.raises(UsageError, match="made by another process"):
        write_folder(tmp_path / "out", {"a.txt": "new"})
    assert (tmp_path / "out" / "a.txt").read_text() == "old"
    assert names_in(tmp_path) == ["out"]


def test_overwrite_replaces_the_whole_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "out", {"a.txt": "old", "stale.txt": "old"})
    write_folder(tmp_path / "out", {"a.txt": "new"}, overwrite=True)
    assert names_in(tmp_path / "out") == ["a.txt"]
    assert (tmp_path / "out" / "a.txt").read_text() == "new"
    assert names_in(tmp_path) == ["out"]


def test_a_failing_body_leaves_the_old_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "out", {"a.txt": "old"})
    with pytest.raises(ValueError, match="body"):
        write_folder(tmp_path / "out", {"a.txt": "new"}, overwrite=True, fail=ValueError("body"))
    assert (tmp_path / "out" / "a.txt").read_text() == "old"
    assert names_in(tmp_path) == ["out"]


def test_a_file_in_the_folders_place_is_no_half_finished_affair(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    refused = False
    try:
        write_folder(tmp_path / "out", {"a.txt": "new"}, overwrite=True)
    except UsageError:
        refused = True
    assert (tmp_path / "out").is_file() is refused  # replaced without complaint, or left alone
    assert names_in(tmp_path) == ["out"]


def test_a_folder_of_many_files(tmp_path: Path) -> None:
    names = {f"{number}.txt": "x" for number in range(150)}
    write_folder(tmp_path / "many", names)
    assert {path.name for path in (tmp_path / "many").iterdir()} == set(names)
    with pytest.raises(RuntimeError):
        write_folder(tmp_path / "broken", names, fail=RuntimeError())
    assert not (tmp_path / "broken").exists()


def test_room_is_made_before_a_file_is_mapped(tmp_path):
    make_sized(tmp_path / "a", 5_000_000)
    assert (tmp_path / "a").stat().st_size == 5_000_000
    if hasattr(os, "posix_fallocate"):
        assert (tmp_path / "a").stat().st_blocks * 512 >= 5_000_000  # no holes
    make_sized(tmp_path / "b", 0)
    assert (tmp_path / "b").read_bytes() == b""


def test_room_is_made_without_the_systems_help(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    make_sized(tmp_path / "a", 5_000_000)
    assert (tmp_path / "a").stat().st_size == 5_000_000
    with pytest.raises(RunError, match="do not fit into the temporary folder"):
        make_sized(tmp_path / "gone" / "a", 10)


def test_homes_of_nobody(monkeypatch):
    assert expanded("~") == Path.home()
    assert expanded("~no-such-user/a") == Path("~no-such-user/a")
    assert expanded("a/b") == Path("a/b")


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    link, real = tmp_path / "link.txt", tmp_path / "elsewhere" / "real.txt"
    real.parent.mkdir()
    real.write_text("old")
    link.symlink_to(real)
    with whole_file(link, overwrite=True) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "elsewhere",
        "link.txt",
        "real.txt",
    ]


def test_a_link_to_a_folder_is_followed(tmp_path: Path) -> None:
    link, real = tmp_path / "link", tmp_path / "elsewhere" / "real"
    real.mkdir(parents=True)
    (real / "old.txt").touch()
    link.symlink_to(real)
    with whole_folder(link, overwrite=True) as temporary:
        (temporary / "new.txt").touch()
    assert link.is_symlink()
    assert [path.name for path in real.iterdir()] == ["new.txt"]
    assert [path.name for path in real.parent.iterdir()] == ["real"]


def test_text_files_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9")
    assert read_text(path) == "café"
    monkeypatch.setattr(files, "LARGEST_TEXT", 4)
    with pytest.raises(ValueError, match="larger than"):
        read_text(path)
    os.mkfifo(tmp_path / "pipe")
    for endless in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match="not a regular file"):
            read_text(endless)
