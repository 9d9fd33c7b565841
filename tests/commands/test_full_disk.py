"""Full disks: file systems with room for a part of what a command writes, of many sizes."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.test_random_kills import hidden
from tests.support.stage import PLANS, Plan, make_inputs
from tests.support.trials import OWN_MOUNTS, Ended, Trials

SIZES = 20
ROOMY = 2**30
PAGE = 4096
COMMANDS = (
    "select", "review", "report", "export csv", "export folder", "corrupt", "scan deft", "score",
    "adapt", "predict", "bench", "demo",
)  # fmt: skip


@pytest.fixture(scope="module")
def trials() -> Iterator[Trials]:
    if subprocess.run([*OWN_MOUNTS, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs file systems of its own, which unshare may not make here")
    with Trials(mounts=True) as trials:
        yield trials


class Disk:
    """A command that runs on a file system of its own; its cache lies elsewhere."""

    def __init__(self, plan: Plan, trials: Trials, where: Path) -> None:
        self.plan, self.trials, self.cache = plan, trials, where / "cache"
        self.base, self.place = where / "base", where / "disk"
        self.base.mkdir()
        make_inputs(self.base, trials, torch=plan.torch)
        self.place.mkdir()
        self.seen = trials.seen(self.place)

    def mount(self, size: int) -> None:
        self.trials.call("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.place)

    def resize(self, size: int) -> None:
        self.trials.call("mount", "-o", f"remount,size={size}", self.place)

    def unmount(self) -> None:
        self.trials.call("umount", "--lazy", self.place)  # a helper process may end later

    def used(self) -> int:
        outputs = [self.seen / name for name in self.plan.outputs]
        files = [file for each in outputs for file in (each, *each.rglob("*")) if file.is_file()]
        return sum(file.stat().st_blocks * 512 for file in files)

    def largest(self) -> int:
        files = [self.seen / name for name in self.plan.outputs]
        sizes = [
            file.stat().st_size
            for each in files
            for file in (each, *each.rglob("*"))
            if file.is_file()
        ]
        return max(sizes)

    def run(self, *more: object, limit: int | None = None) -> Ended:
        environment = {"TMPDIR": str(self.place), "DEFTCLEAN_CACHE_DIR": str(self.cache)}
        words = self.plan.line(self.base, *more)
        limits = {} if limit is None else {"FSIZE": limit}
        return self.trials.one(
            *words,
            cwd=self.place,
            environment=environment,
            patches=self.plan.patches,
            limits=limits,
        )

    def refused(self, done: Ended, *reasons: str) -> None:
        assert done.code == 3, done
        assert "Traceback" not in done.errors
        # A cell of `bench` that fails is a warning and a row of its table; the others go on.
        assert done.told == 1 or "failed  " in done.out, done.errors
        assert any(reason in done.errors for reason in reasons), done.errors
        assert not hidden(self.seen)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_of_twenty_sizes(name: str, trials: Trials, tmp_path: Path) -> None:
    """One message and exit code 3; nothing half, the old outputs where there are some; and the
    same command succeeds when there is room."""
    plan = PLANS[name]
    disk = Disk(plan, trials, tmp_path)
    disk.mount(ROOMY)
    assert disk.run().code == 0
    new, needed = plan.state_in(disk.seen), disk.used()
    disk.unmount()
    for number in range(min(SIZES, needed // PAGE - 1)):
        over = bool(number % 2) and plan.words[0] not in ("demo", "bench")
        more = ("--overwrite",) if over else ()
        disk.mount(ROOMY)
        if over:
            assert disk.run(*plan.other).code == 0
        before = plan.state_in(disk.seen)
        # A size below what is there is none, and 0 is no limit.
        disk.resize(disk.used() + max(1, needed * number // SIZES // PAGE) * PAGE)
        disk.refused(disk.run(*more), "No space left")
        if plan.whole:
            assert plan.state_in(disk.seen) == before
        disk.resize(ROOMY)
        again = disk.run(*(more or plan.onward))
        assert again.code == 0, again.errors
        assert plan.state_in(disk.seen) == new
        disk.unmount()


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_limit_on_file_sizes(name: str, trials: Trials, tmp_path: Path) -> None:
    """The same, byte by byte, for outputs that are smaller than a page."""
    plan = PLANS[name]
    disk = Disk(plan, trials, tmp_path)
    disk.mount(ROOMY)
    assert disk.run().code == 0
    new, largest = plan.state_in(disk.seen), disk.largest()
    disk.unmount()
    for number in range(SIZES):
        disk.mount(ROOMY)
        disk.refused(
            disk.run(limit=largest * (number + 1) // (SIZES + 1)), "File too large", "do not fit"
        )
        again = disk.run(*plan.onward)
        assert again.code == 0, again.errors
        assert plan.state_in(disk.seen) == new
        disk.unmount()
