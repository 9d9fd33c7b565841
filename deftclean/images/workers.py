"""Worker processes that make batches, each beside a pipe of its own.

No shared memory is needed, of which containers have little, and a worker that is killed, whenever
it is, is noticed at once: nobody else holds its end of the pipe. (PyTorch's loader hands tensors
over in shared memory and has one queue for all workers; where either breaks it waits for ever.)
"""

import itertools
import multiprocessing
import os
import pickle
import queue
import sys
import threading
import time
import traceback
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Protocol, cast

import psutil

from deftclean.core.errors import DeftcleanError, RunError
from deftclean.core.progress import Progress
from deftclean.core.run import most_workers
from deftclean.core.signals import leave_to_the_parent

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_LOOK = 2.0  # seconds between looks whether the parent still lives, and the workers work
_PATIENCE = 40.0  # seconds that a worker may be stopped (SIGSTOP) by itself
_GONE = 5.0  # seconds in which a process that closed its pipe ends


class Source(Protocol):
    """What makes batches; it goes to the workers once, when they start."""

    def __getitems__(self, wanted: Any, /) -> Any:
        """One batch."""


@dataclass(frozen=True)
class _Failure:
    """Why there is no batch: out of memory, or a bug with its traceback."""

    memory: bool
    trace: str


def say_workers(asked: int | None, progress: Progress) -> None:
    """Tell where fewer processes are started than were asked for."""
    if asked is not None and asked > most_workers():
        progress.say(f"{most_workers()} processes read images, not {asked:,}: 4 for each core")


class Batches:
    """The batches of a source in order; each iteration goes through `wanted` anew.

    Workers are started with the first one and outlive it.

    Args:
        source: makes a batch.
        wanted: what each batch is to hold, or a sampler of it.
        workers: processes; 0 makes batches here.
        doing: what is going on, for messages: "checking images".
    """

    def __init__(self, source: Source, wanted: Iterable[Any], workers: int, doing: str) -> None:
        self._source = source
        self._wanted = wanted
        self._workers = workers
        self._doing = doing
        self._crew: _Crew | None = None

    def __iter__(self) -> Iterator[Any]:
        """The batches.

        Raises:
            RunError: a worker was lost or cannot be started, or memory ran out.
        """
        made = self._from_workers() if self._workers else self._made_here()
        try:
            yield from made
        except MemoryError as error:
            raise self._out_of_memory() from error

    def _made_here(self) -> Iterator[Any]:
        for wanted in self._wanted:
            yield self._source.__getitems__(wanted)

    def _from_workers(self) -> Iterator[Any]:
        self._crew = self._crew or _Crew(self._source, self._workers, self._doing)
        whole = False
        try:
            for answer in self._crew.answers(iter(self._wanted)):
                if isinstance(answer, DeftcleanError):
                    raise answer
                if isinstance(answer, _Failure):
                    raise self._out_of_memory() if answer.memory else RuntimeError(answer.trace)
                yield answer
            whole = True
        finally:
            if not whole:  # answers to what nobody asks any more would come next
                self._crew.stop()
                self._crew = None

    def _out_of_memory(self) -> RunError:
        more = f" with {self._workers} processes that read images" if self._workers else ""
        return RunError(
            f"Memory ran out while {self._doing}{more}.",
            "Start fewer of them (--workers 1, or 0 for none), or give the run more memory.",
        )


class _Crew:
    """Processes that each work on one batch, and have another one waiting."""

    def __init__(self, source: Source, count: int, doing: str) -> None:
        self._doing = doing
        self._processes: list[Any] = []
        self._pipes: list[Connection] = []
        self._given_up: set[Any] = set()
        ended = threading.Event()
        self.stop = weakref.finalize(self, _stop, self._processes, self._pipes, ended)
        try:
            for _ in range(count):
                self._start(source)
        except OSError as error:
            self.stop()
            raise RunError(
                f"{count} processes that read images cannot be started: {error.strerror or error}.",
                "Start fewer: --workers 1, or --workers 0 for none.",
            ) from error
        watched = self._processes, self._given_up, ended
        threading.Thread(target=_give_up_stopped, args=watched, daemon=True).start()

    def _start(self, source: Source) -> None:
        ours, theirs = multiprocessing.Pipe()
        try:
            worker = multiprocessing.Process(
                target=_work, args=(theirs, source, os.getpid()), daemon=True
            )
            worker.start()
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()  # or its end would not be seen when the worker dies
        self._processes.append(worker)
        self._pipes.append(ours)

    def answers(self, wanted: Iterator[Any]) -> Iterator[Any]:
        """What was asked for, in order; up to two batches for each worker are made ahead."""
        free = self._pipes * 2
        due: dict[Connection, deque[int]] = {pipe: deque() for pipe in self._pipes}
        done: dict[int, Any] = {}
        asked = given = 0
        while True:
            for task in itertools.islice(wanted, min(len(free), len(due) * 2 + given - asked)):
                pipe = free.pop(0)
                self._ask(pipe, task)
                due[pipe].append(asked)
                asked += 1
            if given == asked:
                return
            # All that is there is taken, so that no worker waits for us to go on.
            waiting = [pipe for pipe, numbers in due.items() if numbers]
            for ready in wait(waiting, 0 if given in done else None):
                pipe = cast("Connection", ready)
                done[due[pipe].popleft()] = self._answer(pipe)
                free.append(pipe)
            if given in done:
                yield done.pop(given)
                given += 1

    def _ask(self, pipe: "Connection", task: Any) -> None:
        try:
            pipe.send_bytes(pickle.dumps(task, protocol=5))
        except OSError as error:
            raise self._lost(pipe) from error

    def _answer(self, pipe: "Connection") -> Any:
        try:
            # From a process of our own.
            return pickle.loads(pipe.recv_bytes())  # noqa: S301 # nosec B301
        except (EOFError, OSError) as error:
            raise self._lost(pipe) from error

    def _lost(self, pipe: "Connection") -> RunError:
        worker = self._processes[self._pipes.index(pipe)]
        worker.join(_GONE)
        code = worker.exitcode
        if worker in self._given_up:
            raise RunError(
                f"One of {len(self._processes)} processes that read images was stopped, and did "
                f"not go on within {_PATIENCE:.0f} s, while {self._doing}.",
                "Somebody has sent it SIGSTOP; start again.",
            )
        how = "ended" if code is None else f"ended with exit code {code}"
        if code is not None and code < 0:
            how = f"was killed by signal {-code}"
        return RunError(
            f"One of {len(self._processes)} processes that read images {how} while {self._doing}.",
            "Memory may have run out: start fewer of them (--workers 1, or 0 for none), train on "
            "smaller pieces (--micro-batch), or give the run more memory.",
        )


def _give_up_stopped(processes: list[Any], given_up: set[Any], ended: threading.Event) -> None:
    """In a thread: ends workers that stand still for good, since nobody would notice otherwise.

    Seen again and again, not timed: a run that is stopped as a whole does not see them.
    """
    seen = dict.fromkeys(processes, 0)
    while not ended.wait(_LOOK):
        for process in processes:
            seen[process] = seen[process] + 1 if _is_stopped(process.pid) else 0
            if seen[process] * _LOOK >= _PATIENCE:
                given_up.add(process)
                process.kill()


def _is_stopped(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.Error:
        return False


def _stop(processes: list[Any], pipes: "list[Connection]", ended: threading.Event) -> None:
    ended.set()
    for pipe in pipes:
        pipe.close()
    for process in processes:
        process.kill()  # it keeps nothing, and leaves milder signals to the parent
    for process in processes:
        process.join(_GONE)


# ---------------------------------------------------------------- in the worker


def _work(pipe: "Connection", source: Source, parent: int) -> None:
    leave_to_the_parent()
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)  # also: threads of before a fork are gone, and would be waited for
    made: queue.Queue[bytes] = queue.Queue(1)
    for target, argument in ((_end_with, parent), (_send, (pipe, made))):
        threading.Thread(target=target, args=(argument,), daemon=True).start()
    while True:
        try:
            # From the parent.
            wanted = pickle.loads(pipe.recv_bytes())  # noqa: S301 # nosec B301
        except (EOFError, OSError):
            return  # nobody is there any more
        made.put(_made(source, wanted))


def _send(line: "tuple[Connection, queue.Queue[bytes]]") -> None:
    """In a thread of its own: the next batch is made while the last one is taken."""
    pipe, made = line
    while True:
        try:
            pipe.send_bytes(made.get())
        except OSError:
            os._exit(1)


def _made(source: Source, wanted: Any) -> bytes:
    """A batch, or why there is none, for the pipe."""
    try:
        return pickle.dumps(source.__getitems__(wanted), protocol=5)
    except MemoryError:
        return pickle.dumps(_Failure(True, ""))
    except DeftcleanError as error:  # a store does not answer
        return pickle.dumps(error)
    except Exception:  # noqa: BLE001 - the parent raises it
        trace = traceback.format_exc()
        return pickle.dumps(_Failure(False, f"in a process that reads images:\n{trace}"))


def _end_with(parent: int) -> None:
    """Other workers may hold the parent's end of the pipe, so that its own end is not seen."""
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)
