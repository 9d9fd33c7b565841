"""Commands that are killed at random moments of their work, and run again.

The moments are drawn by seed, one from each of equal parts of the time that a run takes.
"""

import random
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.stage import PLANS, Plan, State, make_inputs
from tests.support.trials import Ended, Trials

KILLS = 50
CHAINS, EPOCHS = 8, 150  # so many that most of a run is training
ENDS = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 143}
LIGHT = [name for name, plan in PLANS.items() if not plan.torch]


@pytest.fixture(scope="module")
def light() -> Iterator[Trials]:
    """For commands that load no torch."""
    with Trials(torch=False) as trials:
        yield trials


class Kills:
    """Kills one command again and again, each time in a folder of its own."""

    def __init__(self, plan: Plan, trials: Trials, where: Path) -> None:
        self.plan, self.trials, self.where = plan, trials, where
        self.base = where / "base"
        self.base.mkdir()
        make_inputs(self.base, trials, torch=plan.torch)
        self.old, _ = self._whole("old", *plan.other)
        runs = [self._whole(f"new {number}") for number in range(2)]
        self.new, self.seconds = runs[0][0], min(seconds for _, seconds in runs)
        assert runs[1][0] == self.new
        self.hits: list[float] = []  # when the kills came before the end, in parts of a run

    def _whole(self, name: str, *more: object) -> tuple[State, float]:
        home = self.home(name)
        done = self.run(home, *more)
        assert done.code == 0, done.errors
        return self.plan.state_in(home), done.seconds

    def home(self, name: str) -> Path:
        home = self.where / name
        (home / "tmp").mkdir(parents=True)
        return home

    def run(self, home: Path, *more: object, kill: tuple[int, float] | None = None) -> Ended:
        environment = {"TMPDIR": f"{home}/tmp", "DEFTCLEAN_CACHE_DIR": f"{home}/cache"}
        words = self.plan.line(self.base, *more)
        return self.trials.one(
            *words, cwd=home, kill=kill, environment=environment, patches=self.plan.patches
        )

    def kill_once(self, number: int, at: float, which: signal.Signals, *, over: bool) -> None:
        home = self.home(f"{number}")
        if over:
            assert self.run(home, *self.plan.other).code == 0
        more = ("--overwrite",) if over else ()
        done = self.run(home, *more, kill=(which, at * self.seconds))
        # The signal itself ends what has not come to our first line.
        early = at * self.seconds < 0.2 and done.code == -which
        assert early or done.code in (ENDS[which], 0), done.errors
        assert "Traceback" not in done.errors
        if done.code:
            self.hits.append(at)
        else:  # the machine is quicker now
            self.seconds = min(self.seconds, done.seconds)
        if which == signal.SIGTERM:
            assert not hidden(home), "a run that is told to stop clears up"
        state = self.plan.state_in(home)
        if self.plan.whole:
            before = self.old if over else dict.fromkeys(self.plan.outputs)
            assert state in (before, self.new)
        again = self.run(home, *(more or self.plan.onward))
        stands = again.code == 2 and (
            "exists already" in again.errors or "its run had finished" in again.errors
        )
        assert again.code == 0 or (stands and not over and state == self.new), again.errors
        if stands:  # killed between its last output and clearing up, which the next work does
            assert self.run(home, "--overwrite").code == 0
        assert self.plan.state_in(home) == self.new
        assert not hidden(home)
        allowed = {*self.plan.outputs, "tmp", "cache"}
        assert {path.name for path in home.iterdir()} <= allowed

    def kill_resumed(self, number: int, draw: random.Random) -> int:
        """A run that is killed, resumed, killed again while it is resumed, and so on; and ends.

        Returns:
            how many of its resumed runs were killed with a stopped run beside the output.
        """
        home, hits = self.home(f"chain {number}"), 0
        more: tuple[object, ...] = ()
        for which in (*ENDS, *ENDS):
            begun = bool(stopped(home))
            done = self.run(home, *more, kill=(which, draw.uniform(0.3, 0.9) * self.seconds))
            assert done.code in (ENDS[which], -which, 0), done.errors
            assert "Traceback" not in done.errors
            assert self.plan.state_in(home) in (dict.fromkeys(self.plan.outputs), self.new)
            if done.code == 0:  # the machine is quicker now
                self.seconds = min(self.seconds, done.seconds)
            if self.plan.state_in(home) == self.new:
                break
            hits += begun
            more = self.plan.onward
        again = self.run(home, *self.plan.onward)
        stands = again.code == 2 and "its run had finished" in again.errors
        assert again.code == 0 or stands, again.errors
        assert self.plan.state_in(home) == self.new
        assert not hidden(home)
        assert not stopped(home)
        return hits

    def kill(self, count: int, seed: str) -> None:
        draw = random.Random(seed)
        takes_over = self.plan.words[0] != "demo"
        for number in range(count):
            which = (signal.SIGKILL, signal.SIGTERM)[number % 2]
            over = takes_over and number % 4 > 1
            at = (number + draw.random()) / count
            self.kill_once(number, at, which, over=over)


def stopped(home: Path) -> list[str]:
    """Runs that were stopped, kept beside the output."""
    return [path.name for path in home.glob("*.unfinished")]


def hidden(home: Path) -> list[str]:
    """What is left of runs: beside the outputs, in folders of ours, and in TMPDIR."""
    left = [path for path in home.rglob(".*") if path.suffix in (".tmp", ".switch")]
    private = list(home.rglob("deftclean-run-*"))
    others = (home / "tmp").iterdir() if (home / "tmp").exists() else ()
    return [str(path) for path in (*left, *private, *others)]


@pytest.mark.parametrize("name", ["select", "export folder", "corrupt"])
def test_a_kill_in_the_middle(name: str, light: Trials, tmp_path: Path) -> None:
    Kills(PLANS[name], light, tmp_path).kill(1, name)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", PLANS)
def test_fifty_kills(name: str, trials: Trials, tmp_path: Path) -> None:
    kills = Kills(PLANS[name], trials, tmp_path)
    kills.kill(KILLS, name)
    # All over the run; a machine that became faster meanwhile may have ended before the last ones.
    assert len(kills.hits) > KILLS / 2
    print(f"{name}: {len(kills.hits)} of {KILLS} hit a run of {kills.seconds:.2f} s")


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", ["scan", "scan deft", "adapt"])
def test_runs_that_are_killed_while_they_are_resumed(
    name: str, trials: Trials, tmp_path: Path
) -> None:
    """They end with the bytes of a run that was never killed, however often they were."""
    gently = ("--lr", 0.001) if name == "scan deft" else ()  # so many epochs would collapse
    words = (*PLANS[name].words, *gently, "--epochs", EPOCHS)
    kills, draw = Kills(replace(PLANS[name], words=words), trials, tmp_path), random.Random(name)
    hits = [kills.kill_resumed(number, draw) for number in range(CHAINS)]
    assert sum(hits) >= CHAINS / 4
    print(f"{name}: {sum(hits)} kills of resumed runs in {CHAINS} chains of {kills.seconds:.2f} s")
