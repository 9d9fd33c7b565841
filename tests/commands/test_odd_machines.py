"""Commands where little is as usual: limits, closed folders, no home, no terminal, odd clocks."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.test_random_kills import LIGHT, hidden
from tests.support.commands import run_process
from tests.support.stage import PLANS, Plan, make_inputs
from tests.support.trials import Ended, Trials

NAMES = (*LIGHT, "scan deft", "score", "adapt", "predict", "bench")
MIB = 2**20
ABORTS = (-signal.SIGABRT, -signal.SIGSEGV, 127)


@pytest.fixture(scope="module")
def light() -> Iterator[Trials]:
    with Trials(torch=False) as trials:
        yield trials


class Place:
    """Folders in which a command runs oddly, and what it makes where nothing is odd."""

    def __init__(self, plan: Plan, trials: Trials, where: Path) -> None:
        self.plan, self.trials, self.where = plan, trials, where
        self.base = where / "base"
        self.base.mkdir()
        make_inputs(self.base, trials, torch=plan.torch)
        home, done = self.run("usual")
        assert done.code == 0, done.errors
        self.state = plan.state_in(home)

    def run(
        self,
        name: str,
        environment: dict[str, str | None] | None = None,
        words: tuple[str, ...] = (),
        **more: object,
    ) -> tuple[Path, Ended]:
        home = self.where / name
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        usual = {"TMPDIR": f"{home}/tmp", "DEFTCLEAN_CACHE_DIR": f"{home}/cache"}
        done = self.trials.one(
            *self.plan.line(self.base, *words), cwd=home, patches=self.plan.patches,
            environment={**usual, **(environment or {})}, **more,
        )  # fmt: skip
        return home, done

    def succeeds(
        self,
        name: str,
        environment: dict[str, str | None] | None = None,
        words: tuple[str, ...] = (),
        **more: object,
    ) -> None:
        home, done = self.run(name, environment, words, **more)
        assert done.code == 0, done.errors
        assert "Traceback" not in done.errors
        assert self.plan.state_in(home) == self.state

    def succeeds_or_says(self, name: str, *others: int, **more: object) -> Ended:
        """`others`: exit codes of libraries that end the process by themselves."""
        home, done = self.run(name, None, **more)
        assert done.code in (0, 2, 3, *others), done
        assert "Traceback" not in done.errors, done.errors
        if done.code in (2, 3):
            told = "failed  " in done.out  # by bench, of a cell
            assert done.told == 1 or told, done
        state = self.plan.state_in(home)
        nothing = dict.fromkeys(self.plan.outputs)
        assert state == (nothing if done.code else self.state) or not self.plan.whole
        # Without descriptors no folder can be removed: the next run does it, but bench looks no
        # more at a cell that is done.
        over = (
            ()
            if self.plan.words[0] == "bench" or self.plan.words[0] == "demo"
            else ("--overwrite",)
        )
        self.succeeds(name, None, over if done.code == 0 else ())
        assert not hidden(home) or self.plan.words[0] == "bench"
        return done


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", NAMES)
def test_odd_surroundings(name: str, trials: Trials, tmp_path: Path) -> None:
    """The same bytes with no home, no terminal, another language, and a clock that goes back."""
    place = Place(PLANS[name], trials, tmp_path)
    nowhere = str(tmp_path / "nowhere")
    for at, odd in enumerate(
        (
            {"HOME": None, "XDG_CACHE_HOME": None, "DEFTCLEAN_CACHE_DIR": None},
            {"HOME": nowhere, "XDG_CACHE_HOME": None, "DEFTCLEAN_CACHE_DIR": None},
            {"TMPDIR": nowhere, "TMP": None, "TEMP": None},
            {"TERM": None, "COLUMNS": None, "LINES": None},
            {"TERM": "dumb", "COLUMNS": "0", "NO_COLOR": "1"},
            {"COLUMNS": "x", "FORCE_COLOR": "1"},
            {"LANG": "C", "LC_ALL": "C", "PATH": None},
            {"TZ": "Pacific/Kiritimati", "SOURCE_DATE_EPOCH": "0"},
        )
    ):
        place.succeeds(f"odd{at}", odd)
    place.succeeds("descriptors", limits={"NOFILE": 64})
    for jump in (3600.0, -86400.0 * 365, 1e9):
        place.succeeds(f"clock{jump}", clock=jump)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("year", [1971, 2100])
def test_dates_of_another_time(name: str, year: int, trials: Trials, tmp_path: Path) -> None:
    """Inputs, cache, outputs and what a stopped run has left are from the future, or long ago."""
    place = Place(PLANS[name], trials, tmp_path)
    place.succeeds("dated")
    home = tmp_path / "dated"
    (home / f".{place.plan.outputs[0]}.00aa00aa.tmp").mkdir()
    (home / "tmp" / "deftclean-run-00aa00aa00aa00aa").mkdir()
    when = time.mktime((year, 1, 1, 0, 0, 0, 0, 1, 0))
    for path in (*place.base.rglob("*"), *home.rglob("*")):
        os.utime(path, (when, when))
    done = trials.one(
        *place.plan.line(place.base, *(() if name == "bench" else ("--overwrite",))), cwd=home,
        environment={"TMPDIR": f"{home}/tmp", "DEFTCLEAN_CACHE_DIR": f"{home}/cache"},
    )  # fmt: skip
    assert done.code == 0, done.errors
    assert place.plan.state_in(home) == place.state
    assert not [left for left in hidden(home) if "/tmp/" not in left]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", NAMES)
def test_few_descriptors(name: str, trials: Trials, tmp_path: Path) -> None:
    """The same bytes, or one message, and the same bytes when there are enough."""
    place = Place(PLANS[name], trials, tmp_path)
    ends = [place.succeeds_or_says(f"{most}", limits={"NOFILE": most}) for most in range(6, 30, 2)]
    assert ends[-1].code == 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", LIGHT)
def test_little_memory(name: str, light: Trials, tmp_path: Path) -> None:
    """C libraries abort or crash where even they get none: nothing is half then."""
    place = Place(PLANS[name], light, tmp_path)
    for most in (0, 1, 2, 4, 8, 16, 32, 64, 128, 256):
        place.succeeds_or_says(f"{most}", *ABORTS, limits={"AS": most * MIB})


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", [0o000, 0o300, 0o444])
def test_closed_folders(name: str, mode: int, trials: Trials, tmp_path: Path) -> None:
    """One message about a folder of inputs or outputs that this user may not look into."""
    place = Place(PLANS[name], trials, tmp_path)
    for at, closed in enumerate((place.base, tmp_path / "shut")):
        (tmp_path / "shut").mkdir(exist_ok=True)
        line = place.plan.line(place.base, *(("-o", closed / "x") if at and name != "demo" else ()))
        closed.chmod(mode)
        try:
            done = trials.one(*line, cwd=tmp_path, plain=True)
        finally:
            closed.chmod(0o700)
        assert done.code in (2, 3) or (mode == 0o300 and done.code == 0), done
        assert "Traceback" not in done.errors, done.errors
        assert done.told == (done.code != 0), done.errors


@pytest.mark.slow
def test_names_in_every_script_and_the_language_of_none(tmp_path: Path) -> None:
    """A whole process: its encodings are chosen when it starts."""
    from tests.support.scored import make_suspects

    labels = ("appel", "größe", "海")
    make_suspects(tmp_path, labels, "ü-{}.png")
    for number, words in enumerate(
        (
            ("select", "clean.parquet", "--rule", "agree", "-o", "out.parquet"),
            ("report", "clean.parquet", "-o", "out.html"),
            ("export", "clean.parquet", "--to", "csv", "-o", "out.csv"),
            ("export", "clean.parquet", "--to", "imagefolder", "-o", "out"),
        )
    ):
        done = run_process(*words, cwd=tmp_path, LANG="C", LC_ALL="C")
        assert done.returncode == 0, (number, done.stderr)
    assert "größe" in (tmp_path / "out.csv").read_text(encoding="utf-8")
