"""Two runs at once: on one output, on one cache; and caches that belong to others."""

import random
import signal
from pathlib import Path

import pytest

from tests.commands.test_random_kills import hidden
from tests.support.stage import PLANS, contents, make_inputs
from tests.support.trials import Ended, Trial, Trials

TIMES = 8
NAMES = ("select", "export csv", "export folder", "corrupt", "scan deft", "adapt", "bench")
CACHED = ("scan", "{}/data", "--model", "nano", "--tuner", "none", "--strategy", "deft", "--epochs",
          2, "--workers", 0)  # fmt: skip


@pytest.fixture
def base(trials: Trials, tmp_path: Path) -> Path:
    (tmp_path / "base").mkdir()
    make_inputs(tmp_path / "base", trials, torch=True)
    return tmp_path / "base"


def place(home: Path) -> dict[str, str]:
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    return {"TMPDIR": f"{home}/tmp", "DEFTCLEAN_CACHE_DIR": f"{home}/cache"}


def well(done: Ended) -> bool:
    """Whether a run made its output; if not, it says why."""
    assert "Traceback" not in done.errors, done.errors
    if done.code == 0:
        return True
    assert done.code in (2, 3), done
    told = "failed  " in done.out  # by bench, of a cell
    assert done.told == 1 or told, done
    return False


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NAMES)
def test_one_output(name: str, trials: Trials, base: Path, tmp_path: Path) -> None:
    """What stands there in the end is one run's, whole; a run that did not make it says so."""
    plan = PLANS[name]

    def run(home: Path, *sets: tuple[object, ...]) -> list[Ended]:
        environment = place(home)
        lines = [plan.line(base, *more) for more in sets]
        return trials.run(*(Trial(line, home, environment=environment) for line in lines))

    states = []
    for at, more in enumerate(((), plan.other)):
        home = tmp_path / f"alone{at}"
        (done,) = run(home, more)
        assert done.code == 0, done.errors
        states.append(plan.state_in(home))
    for number in range(TIMES):
        home = tmp_path / f"{number}"
        over = ("--overwrite",) if number % 2 and name != "bench" else ()
        ends = run(home, over, (*plan.other, *over))
        assert [well(done) for done in ends].count(True), ends
        assert plan.state_in(home) in states
        assert not hidden(home)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NAMES)
def test_one_output_and_one_is_killed(
    name: str, trials: Trials, base: Path, tmp_path: Path
) -> None:
    """The other one is not harmed by it, and a third finds everything in order."""
    plan, draw = PLANS[name], random.Random(name)
    alone = tmp_path / "alone"
    (done,) = trials.run(Trial(plan.line(base), alone, environment=place(alone)))
    assert done.code == 0, done.errors
    state, seconds = plan.state_in(alone), done.seconds
    for number in range(TIMES):
        home = tmp_path / f"{number}"
        environment = place(home)
        kill = (signal.SIGKILL, draw.random() * seconds * 1.5)
        killed, other = trials.run(
            Trial(plan.line(base, "--overwrite"), home, environment=environment, kill=kill),
            Trial(plan.line(base, "--overwrite"), home, environment=environment),
        )
        for done in (killed, other):
            if done.code != -signal.SIGKILL:
                well(done)
        again = trials.one(*plan.line(base, "--overwrite"), cwd=home, environment=environment)
        assert again.code == 0, again.errors
        assert plan.state_in(home) == state
        assert not hidden(home)


def bytes_of(home: Path) -> tuple[object, ...]:
    return contents(home / "clean.parquet"), contents(home / "clean.detector")


@pytest.mark.slow
def test_one_cache(trials: Trials, base: Path, tmp_path: Path) -> None:
    """Three runs that fill it at once make the bytes of one that has it for itself, or has none."""
    homes = [tmp_path / f"run{at}" for at in range(3)]
    line = tuple(str(word).format(base) for word in CACHED)
    for home in homes:
        place(home)
    cache = {"DEFTCLEAN_CACHE_DIR": str(tmp_path / "cache")}
    ends = trials.run(*(Trial(line, home, environment=cache) for home in homes))
    assert [done.code for done in ends] == [0, 0, 0], ends
    alone = tmp_path / "alone"
    place(alone)
    assert trials.one(*line, "--no-cache", cwd=alone).code == 0
    assert all(bytes_of(home) == bytes_of(alone) for home in homes)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [0o555, 0o000, 0o111, 0o300])
@pytest.mark.parametrize("depth", ["whole", "below"])
def test_a_cache_of_another_user(
    mode: int, depth: str, trials: Trials, base: Path, tmp_path: Path
) -> None:
    """One that may only be read, or not even that, as a whole or in its folders: the same bytes,
    and what it is said to be."""
    line = tuple(str(word).format(base) for word in CACHED)
    cache = tmp_path / "cache"
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    for home in (first, second, third):
        place(home)
    environment = {"DEFTCLEAN_CACHE_DIR": str(cache)}
    assert trials.one(*line, cwd=first, environment=environment).code == 0
    folders = [cache, *(path for path in cache.rglob("*") if path.is_dir())]
    for folder in reversed(folders if depth == "whole" else folders[1:]):
        folder.chmod(mode)
    try:
        done = trials.one(*line, cwd=second, environment=environment, plain=True)
        (base / "data" / "apple" / "new.png").write_bytes(
            next((base / "data" / "leaf").iterdir()).read_bytes()
        )
        more = trials.one(*line, cwd=third, environment=environment, plain=True)
    finally:
        for folder in folders:
            folder.chmod(0o700)
    assert done.code == more.code == 0, (done, more)
    assert bytes_of(second) == bytes_of(first)
    assert "Traceback" not in done.errors + more.errors
    if depth == "whole" and mode != 0o300:
        assert done.errors.count("Warning: the cache") == 1, done.errors
