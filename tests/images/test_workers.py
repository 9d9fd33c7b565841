"""Batches by worker processes: in order, and an end, soon and in words, whatever happens to one."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from deftclean.core.errors import RunError
from deftclean.core.run import most_workers
from deftclean.core.runtime import choose_runtime
from deftclean.images import workers
from deftclean.images.loading import ImageBatch
from deftclean.images.workers import Batches, say_workers
from tests.images.test_cache import Told
from tests.support.places import ROOT
from tests.support.processes import start_python


class Squares(Dataset[Any]):
    """Answers with the square of what is asked; some numbers bring misfortune."""

    def __getitems__(self, wanted: int) -> Any:
        match wanted:
            case 101:
                raise MemoryError
            case 102:
                raise LookupError("a bug")
            case 103:
                os._exit(7)
            case 104:
                os.kill(os.getpid(), signal.SIGKILL)
            case 105:
                time.sleep(60)
        return wanted**2


class Large(Dataset[Any]):
    """Pictures that take a while to go through a pipe."""

    def __getitems__(self, wanted: int) -> ImageBatch:
        pixels = np.full((64, 3, 224, 224), wanted % 256, np.uint8)
        return ImageBatch(torch.arange(64), torch.from_numpy(pixels), [(wanted, "why")])


def squares(count: int, workers: int, *misfortune: int) -> Batches:
    return Batches(Squares(), [*range(count), *misfortune], workers, "counting sheep")


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_come_in_order_each_time(workers: int) -> None:
    made = squares(50, workers)
    for _ in range(2):
        assert list(made) == [number**2 for number in range(50)]


def test_workers_outlive_an_iteration_that_came_to_its_end() -> None:
    others = set(multiprocessing.active_children())
    made = squares(5, 2)
    assert list(made) == [0, 1, 4, 9, 16]
    before = set(multiprocessing.active_children())
    assert len(before - others) == 2
    assert list(made) == [0, 1, 4, 9, 16]
    assert set(multiprocessing.active_children()) == before
    del made
    assert set(multiprocessing.active_children()) <= others


def test_an_iteration_that_is_left_does_not_disturb_the_next() -> None:
    made = squares(50, 2)
    for number in made:
        if number == 9:
            break
    assert list(made) == [number**2 for number in range(50)]


def test_no_more_is_asked_than_a_few_batches_ahead() -> None:
    asked = []

    def wanted() -> Iterator[int]:
        for number in range(100):
            asked.append(number)
            yield number

    answers = iter(Batches(Squares(), wanted(), 2, "counting"))
    assert [next(answers) for _ in range(10)] == [number**2 for number in range(10)]
    assert len(asked) <= 10 + 4
    answers.close()  # type: ignore[attr-defined]


def test_what_is_asked_may_be_larger_than_a_pipe() -> None:
    class Sums(Dataset[Any]):
        def __getitems__(self, wanted: Any) -> Any:
            return wanted * 2

    wanted = [np.full(1_000_000, number) for number in range(12)]
    for number, found in enumerate(Batches(Sums(), wanted, 2, "adding")):
        assert (found == 2 * number).all()


def test_pictures_come_as_they_were_and_may_be_written_to() -> None:
    for number, batch in enumerate(Batches(Large(), range(3), 2, "looking")):
        assert batch.rows.equal(torch.arange(64))
        assert batch.failures == [(number, "why")]
        batch.pixels[0, 0, 0, 0] += 1
        assert batch.pixels[0, 0, 0, :2].tolist() == [number + 1, number]


# ---------------------------------------------------------------- misfortune


@pytest.mark.parametrize("workers", [0, 2])
def test_memory_that_runs_out_ends_the_run_in_words(workers: int) -> None:
    with pytest.raises(RunError, match="Memory ran out while counting sheep") as caught:
        list(squares(5, workers, 101))
    assert "--workers" in caught.value.hint


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bug_keeps_its_traceback(workers: int) -> None:
    with pytest.raises((LookupError, RuntimeError), match="a bug") as caught:
        list(squares(5, workers, 102))
    assert "__getitems__" in str(caught.getrepr())


@pytest.mark.parametrize(
    ("misfortune", "how"), [(103, "ended with exit code 7"), (104, "was killed by signal 9")]
)
def test_a_lost_worker_ends_the_run_in_words(misfortune: int, how: str) -> None:
    others = multiprocessing.active_children()
    made, began = squares(5, 2, misfortune), time.monotonic()
    with pytest.raises(RunError) as caught:
        list(made)
    assert caught.value.message == (
        f"One of 2 processes that read images {how} while counting sheep."
    )
    assert "--workers" in caught.value.hint
    assert time.monotonic() - began < 10
    assert set(multiprocessing.active_children()) <= set(others)
    made._wanted = range(3)
    assert list(made) == [0, 1, 4]  # new ones are started


def assert_noticed(sent: signal.Signals, delay: float, why: str) -> None:
    """A signal to one of two workers that are sending ends the run, soon and in these words."""
    others = set(multiprocessing.active_children())
    answers = iter(Batches(Large(), range(10_000), 2, "looking"))
    next(answers)
    victim = next(iter(set(multiprocessing.active_children()) - others)).pid
    threading.Timer(delay, os.kill, (victim, sent)).start()
    began = time.monotonic()
    with pytest.raises(RunError, match=why):
        for _ in answers:
            pass
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("delay", [0.02, 0.05, 0.1, 0.15, 0.25])
def test_a_worker_killed_at_any_moment_is_noticed(delay: float) -> None:
    """Also while half of an answer is in the pipe, or the others wait for theirs to be taken."""
    assert_noticed(signal.SIGKILL, delay, "was killed by signal 9 while looking")


@pytest.mark.parametrize("delay", [0.0, 0.1])
def test_a_worker_that_is_stopped_for_good_ends_the_run(
    delay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while half of an answer is in the pipe."""
    monkeypatch.setattr(workers, "_LOOK", 0.1)
    monkeypatch.setattr(workers, "_PATIENCE", 1.0)
    others = set(multiprocessing.active_children())
    why = "was stopped, and did not go on within 1 s, while looking"
    assert_noticed(signal.SIGSTOP, delay, why)
    assert set(multiprocessing.active_children()) <= others


def test_a_worker_that_is_stopped_for_a_while_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_LOOK", 0.1)
    monkeypatch.setattr(workers, "_PATIENCE", 5.0)
    others = set(multiprocessing.active_children())
    answers = iter(squares(50, 2))
    assert next(answers) == 0
    (victim, _) = set(multiprocessing.active_children()) - others
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGSTOP)
    threading.Timer(0.5, os.kill, (victim.pid, signal.SIGCONT)).start()
    assert list(answers) == [number**2 for number in range(1, 50)]


def test_processes_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(multiprocessing, "Pipe", refuse)
    with pytest.raises(RunError, match=r"3 processes .* cannot be started: Too many open files"):
        list(squares(5, 3))


ALONE = """
    import sys, time
    from deftclean.images.workers import Batches
    class Sleeper:
        def __getitems__(self, wanted):
            time.sleep(wanted)
    made = iter(Batches(Sleeper(), [0, 60, 60, 60], 2, "waiting"))
    next(made)
    import multiprocessing
    print(*[process.pid for process in multiprocessing.active_children()], flush=True)
    next(made)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_workers_end_with_a_parent_that_is_killed() -> None:
    import textwrap

    parent = start_python("-c", textwrap.dedent(ALONE), stdout=subprocess.PIPE)
    assert parent.stdout is not None
    workers = [int(word) for word in parent.stdout.readline().split()]
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}/status").exists() for pid in workers):
        if all("Z (zombie)" in status(pid) for pid in workers):
            break  # nobody in this container collects them
        assert time.monotonic() < deadline, workers
        time.sleep(0.1)


def status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return "Z (zombie)"


ARRAYS = """
import numpy as np
class Large:
    def __getitems__(self, wanted):
        return np.zeros(1_000_000, np.uint8)
"""
TENSORS = "from tests.images.test_workers import Large"


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a file system")
@pytest.mark.parametrize("source", [ARRAYS, pytest.param(TENSORS, marks=pytest.mark.slow)])
def test_no_shared_memory_is_needed(tmp_path: Path, source: str) -> None:
    code = "from deftclean.images.workers import Batches\n" + source
    code += "\nprint(len(list(Batches(Large(), range(5), 2, 'x'))))\n"
    (tmp_path / "code.py").write_text(code)
    (tmp_path / "inner.sh").write_text(
        "mount -t tmpfs -o size=64k tmpfs /dev/shm || exit 77\n"
        "head -c 64k /dev/zero > /dev/shm/full\n"
        f"exec timeout 60 {sys.executable} {tmp_path / 'code.py'}\n"
    )
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "bash", str(tmp_path / "inner.sh")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    if "ermitted" in done.stderr:
        pytest.skip("may not mount")
    assert done.stdout == "5\n", done.stderr


def test_a_batch_goes_through_a_pipe_as_arrays() -> None:
    """PyTorch's own way for tensors between processes is shared memory."""
    batch = Large().__getitems__(7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "__reduce_ex__", lambda *_: pytest.fail("a tensor is sent"))
        again = pickle.loads(pickle.dumps(batch))
    assert again.pixels.equal(batch.pixels)
    assert again.failures == batch.failures


# ---------------------------------------------------------------- how many


def test_absurdly_many_workers_are_not_started() -> None:
    runtime = choose_runtime("cpu", "fp32", 100_000)
    assert runtime.checkers == runtime.decoders == runtime.readers == most_workers()
    told = Told()
    say_workers(100_000, told)
    say_workers(2, told)
    say_workers(None, told)
    assert told.said == [f"{most_workers()} processes read images, not 100,000: 4 for each core"]
