"""Outputs that appear together: killed at any point, signalled, swept, and never half."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deftclean.core import switch
from deftclean.core.errors import RunError, UsageError
from deftclean.core.files import private_folder
from deftclean.core.switch import recover, remove_folder, together, whole_file
from tests.core.test_files import names_in, start, write, write_folder

CALLS = ("rename", "replace", "link", "unlink", "mkdir", "rmdir", "open", "fsync", "scandir")

KILLED = """
    import os, sys
    from pathlib import Path
    from deftclean.core import switch

    home, dies_at = Path(sys.argv[1]), int(sys.argv[2])
    calls = 0

    def deadly(call):
        def wrapped(*arguments, **more):
            global calls
            calls += 1
            if calls == dies_at:
                os._exit(9)
            return call(*arguments, **more)
        return wrapped

    for name in {names!r}:
        setattr(os, name, deadly(getattr(os, name)))
    with switch.together(home / "clean.parquet", True) as outputs:
        outputs.file(home / "clean.parquet").write_text("new")
        folder = outputs.folder(home / "clean.detector")
        (folder / "card").write_text("new")
        outputs.remove(home / "clean.unfinished")
    print(calls)
"""


def old_pair(home: Path) -> None:
    home.mkdir()
    (home / "clean.parquet").write_text("old")
    for name in ("clean.detector", "clean.unfinished"):
        (home / name).mkdir()
        (home / name / "card").write_text("old")


def pair_in(home: Path) -> tuple[str, str, bool]:
    return (
        (home / "clean.parquet").read_text(),
        (home / "clean.detector" / "card").read_text(),
        (home / "clean.unfinished" / "card").exists(),
    )


def write_pair(home: Path, text: str) -> None:
    with together(home / "clean.parquet", True) as outputs:
        outputs.file(home / "clean.parquet").write_text(text)
        (outputs.folder(home / "clean.detector") / "card").write_text(text)
        outputs.remove(home / "clean.unfinished")


def test_killed_before_any_call_the_next_look_finds_the_old_pair_or_the_new_one(
    tmp_path: Path,
) -> None:
    script = KILLED.format(names=CALLS)
    points, seen = 0, set()
    while True:
        points += 1
        home = tmp_path / f"{points}"
        old_pair(home)
        process = start(script, home, points)
        _, _ = process.communicate()
        if process.returncode == 0:
            break
        assert process.returncode == 9
        recover(home / "clean.detector")
        pair = pair_in(home)
        assert pair in {("old", "old", True), ("new", "new", False)}
        seen.add(pair)
        # The next run sweeps what is left.
        write_pair(home, "third")
        assert pair_in(home) == ("third", "third", False)
        assert names_in(home) == ["clean.detector", "clean.parquet"]
    assert len(seen) == 2
    assert points > 15


def test_what_a_living_run_makes_is_not_swept(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with whole_file(path, True) as slow:
        slow.write_text("slow")
        write(path, "quick")
        assert slow.exists()
        assert path.read_text() == "quick"
    assert path.read_text() == "slow"
    assert names_in(tmp_path) == ["out.txt"]


def test_what_others_have_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".out.txt.00aa00aa.tmp").write_text("half")
    (tmp_path / ".out.txt.00aa00ab.tmp").mkdir()
    (tmp_path / ".out.txt2.00aa00ab.tmp").write_text("of another output")
    write(tmp_path / "out.txt", "whole")
    assert names_in(tmp_path) == [".out.txt2.00aa00ab.tmp", "out.txt"]


def test_a_signal_between_the_moves_is_no_half(tmp_path: Path, monkeypatch) -> None:
    home = tmp_path / "home"
    old_pair(home)
    replace = os.replace
    calls = []

    def interrupted(*arguments: Any, **more: Any) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        replace(*arguments, **more)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_pair(home, "new")
    assert pair_in(home) == ("new", "new", False)
    assert names_in(home) == ["clean.detector", "clean.parquet"]


def test_a_journal_that_leads_elsewhere_moves_nothing(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    home = tmp_path / "home"
    old_pair(home)
    text = '{"moves": [["clean.parquet", "../victim"]], "removed": []}\n'
    (home / ".clean.switch").write_text(text)
    with pytest.raises(RunError, match="half replaced"):
        recover(home / "clean.parquet")
    assert (tmp_path / "victim").read_text() == "mine"


def test_names_that_leave_no_room_for_more_letters(tmp_path: Path) -> None:
    name = "n" * 255
    write(tmp_path / name, "whole")
    write_folder(tmp_path / ("f" * 255), {"a": "1"}, overwrite=True)
    assert names_in(tmp_path) == ["f" * 255, name]


def test_a_folder_is_removed_under_another_name(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "clean.unfinished"
    folder.mkdir()
    (folder / "state.json").write_text("{}")
    monkeypatch.setattr("shutil.rmtree", lambda *_arguments, **_more: None)  # killed here
    remove_folder(folder)
    assert not folder.exists()
    remove_folder(folder)  # nothing is there


def test_folders_of_killed_runs_are_swept_and_those_of_living_ones_are_not(tmp_path: Path) -> None:
    script = """
        import os, sys
        from pathlib import Path
        from deftclean.core.files import private_folder
        with private_folder(Path(sys.argv[1])) as folder:
            (folder / "features").write_text("many")
            os._exit(9)
    """
    process = start(script, tmp_path)
    process.communicate()
    assert len(names_in(tmp_path)) == 1
    with private_folder(tmp_path) as first:
        assert [path.name for path in tmp_path.iterdir()] == [first.name]
        assert first.stat().st_mode & 0o077 == 0
        with private_folder(tmp_path) as second:
            assert first.is_dir()
        assert not second.exists()
    assert names_in(tmp_path) == []


def test_what_another_run_had_begun_meanwhile_is_finished_first(tmp_path: Path) -> None:
    """It was killed at its moves while this one wrote, which may not replace what is there."""
    home = tmp_path / "home"
    old_pair(home)

    def write_meanwhile() -> None:
        with together(home / "clean.parquet", False) as outputs:
            outputs.file(home / "clean.parquet").write_text("mine")
            outputs.folder(home / "clean.detector")
            (home / ".clean.parquet.00aa00aa.tmp").write_text("theirs")
            moves = [[".clean.parquet.00aa00aa.tmp", "clean.parquet"]]
            said = {"moves": moves, "removed": [["clean.detector", ".gone.tmp"]]}
            (home / ".clean.switch").write_text(json.dumps(said) + "\n")

    with pytest.raises(UsageError, match="made by another process"):
        write_meanwhile()
    assert (home / "clean.parquet").read_text() == "theirs"
    assert names_in(home) == ["clean.parquet", "clean.unfinished"]


@pytest.mark.parametrize("text", ["x", "[]", '{"moves": 3, "removed": []}', '{"moves": [[1]]}'])
def test_a_damaged_journal_is_said_and_moves_nothing(tmp_path: Path, text: str) -> None:
    home = tmp_path / "home"
    old_pair(home)
    (home / ".clean.switch").write_text(text + "\n")
    with pytest.raises(RunError, match="its journal is damaged"):
        recover(home / "clean.parquet")
    assert pair_in(home) == ("old", "old", True)


@pytest.mark.parametrize("kind", ["file", "folder", "private"])
def test_a_signal_right_after_something_was_made_leaves_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is held, or known to whoever clears up."""

    def stopped(_path: Path) -> None:
        raise SystemExit(143)

    monkeypatch.setattr("deftclean.core.files.held", stopped)

    def make() -> None:
        if kind == "private":
            with private_folder(tmp_path):
                pass
        else:
            with together(tmp_path / "out", overwrite=False) as outputs:
                getattr(outputs, kind)(tmp_path / "out")

    with pytest.raises(SystemExit):
        make()
    assert list(tmp_path.iterdir()) == []


def test_a_signal_while_a_folder_is_removed_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x" / "y").mkdir(parents=True)
    rename = Path.rename

    def stopped(path: Path, target: Path) -> None:
        rename(path, target)
        raise SystemExit(143)

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(SystemExit):
        remove_folder(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_signal_before_the_journal_says_anything_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder replaces another: the journal is there, empty, when the signal comes."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").write_text("old")
    alone = switch._alone

    @contextlib.contextmanager
    def stopped(journal: Path, *, create: bool = True) -> Iterator[Any]:
        with alone(journal, create=create) as file:
            if create:
                raise SystemExit(143)
            yield file

    def make() -> None:
        with together(tmp_path / "out", overwrite=True) as outputs:
            (outputs.folder(tmp_path / "out") / "x").write_text("new")
            monkeypatch.setattr(switch, "_alone", stopped)

    with pytest.raises(SystemExit):
        make()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "x").read_text() == "old"
