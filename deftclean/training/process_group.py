"""Several processes that do one run together, and what becomes of it when one of them fails.

PyTorch's own process group: gloo between CPUs, NCCL between CUDA devices. Knows neither pictures
nor models.
"""

import contextlib
import datetime
import json
import os
import socket
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import psutil
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from deftclean.core.errors import DeftcleanError, ProcessLostError, RunError, UsageError
from deftclean.core.run import Count, Launch, Ranks, Value

PATIENCE = 1800.0
"""Seconds that a process waits for the others at any one point."""

_BUCKET = 2**24  # numbers that are added up at once
_MOMENT = 1.0  # seconds until a process that is ending has ended
_AGAIN = "The same command with --resume goes on after the last epoch that was kept, if one was."

Result = TypeVar("Result")


class Note(NamedTuple):
    """What a process leaves behind when it ends before its work is done.

    Attributes:
        told: it was told to stop, by a signal.
        message: why it ended; empty where another process is the reason.
        trace: where, if it is a bug.
    """

    told: bool = False
    message: str = ""
    trace: str = ""


class ProcessGroup(Ranks):
    """Of several processes.

    Args:
        launch: what torchrun says.
        store: where processes leave notes for each other.
    """

    def __init__(self, launch: Launch, store: Store) -> None:
        super().__init__(launch.rank, launch.size, launch.rank_here, launch.here)
        self._store = PrefixStore("deftclean", store)
        self._store.set(f"process {self.rank}", json.dumps([_machine(), os.getpid()]))
        self._homes = [self._store.get(f"process {rank}") for rank in range(self.size)]

    def total(self, count: Count) -> Count:
        """Sums over the processes, without gradient."""
        if isinstance(count, int):
            return int(self._summed(torch.tensor(count)))
        return self._summed(count.detach().clone())

    def part_of_mean(self, mean: Tensor, own: Count, whole: Count) -> Tensor:
        """As of `Ranks`; nothing where no process has a row."""
        return mean * (own / (whole.clamp(min=1) if isinstance(whole, Tensor) else whole))

    def together(self, part: Tensor, place: slice, count: int) -> Tensor:
        """As of `Ranks`, in float32."""
        whole: Tensor = _Together.apply(part.float(), place, count, self._summed)
        return whole

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """As of `Ranks`; those that have none have none anywhere."""
        gradients = [each.grad for each in parameters if each.grad is not None]
        for bucket in _buckets(gradients):
            flat = self._summed(torch.cat([each.flatten() for each in bucket]))
            parts = flat.split([each.numel() for each in bucket])
            for gradient, summed in zip(bucket, parts, strict=True):
                gradient.copy_(summed.view_as(gradient))

    def sent(self, values: Tensor, source: int) -> Tensor:
        """The values that one process has."""
        self._safely(lambda: dist.broadcast(values, source))
        return values

    def every(self, value: Value) -> list[Value]:
        """The values of all processes, by rank."""
        found: list[Any] = [None] * self.size
        self._safely(lambda: dist.all_gather_object(found, value))
        return found

    def of_first(self, make: Callable[[], Value]) -> Value:
        """What the first process makes; what it raises is raised by all."""
        made: list[Any] = [None, None]
        if self.first:
            try:
                made[0] = make()
            except Exception as error:  # the others would wait for ever
                made[1] = error if isinstance(error, DeftcleanError) else RunError(str(error))
                self._broadcast(made)
                raise
        self._broadcast(made)
        value, raised = made
        if raised is not None:
            raise raised
        found: Value = value
        return found

    def refuse_other(self, what: Mapping[str, Any]) -> None:
        """As of `Ranks`."""
        first, *others = self.every(dict(what))
        differing = [name for name in first if any(first[name] != each[name] for each in others)]
        if differing:
            raise UsageError(
                f"The {self.size} processes of this run were not given the same; what differs: "
                f"{', '.join(differing)}.",
                "Start all of them with the same command, on the same data.",
            )

    def _broadcast(self, values: list[Any]) -> None:
        cpu = torch.device("cpu")
        self._safely(lambda: dist.broadcast_object_list(values, 0, device=cpu))

    def _summed(self, values: Tensor) -> Tensor:
        """In place."""
        self._safely(lambda: dist.all_reduce(values))
        return values

    def _safely(self, send: Callable[[], Result]) -> Result:
        """What PyTorch raises where another process is gone, in words."""
        try:
            return send()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise self._soon_known() or self._silence(error) from error

    # ------------------------------------------------------------ processes that end too early

    def leave(self, note: Note) -> None:
        """Tell the others, as far as they can be reached, why this process ends."""
        with contextlib.suppress(RuntimeError):
            self._store.set(f"end {self.rank}", json.dumps(note))

    def lost(self) -> RunError | None:
        """What is known of processes that have ended too early; None where nothing is."""
        others = [rank for rank in range(self.size) if rank != self.rank]
        notes = {rank: note for rank in others if (note := self._note_of(rank)) is not None}
        for rank, note in notes.items():
            if note.message:
                text = f"Process {rank} of {self.size} failed: {note.message}"
                return ProcessLostError(text, _AGAIN, note.trace)
        for rank in others:
            if rank not in notes and self._is_dead(rank):
                return ProcessLostError(
                    f"Process {rank} of {self.size} was lost: it ended without a word, killed, or "
                    "out of memory.",
                    _AGAIN,
                    aloud=rank == 0 and self.rank == 1,
                )
        for rank, note in notes.items():
            if note.told:
                return RunError(f"Process {rank} of {self.size} was told to stop.", _AGAIN)
        return None

    def _soon_known(self) -> RunError | None:
        """The same, after a moment: the connection of a process closes before it has ended."""
        end = time.monotonic() + _MOMENT
        while (lost := self.lost()) is None and time.monotonic() < end:
            time.sleep(_MOMENT / 20)
        return lost

    def _silence(self, error: RuntimeError) -> RunError:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return ProcessLostError(
            f"Another of the {self.size} processes of this run does not answer any more: {reason}",
            _AGAIN,
        )

    def _note_of(self, rank: int) -> Note | None:
        found = self._read(f"end {rank}")
        return None if found is None else Note(*found)

    def _is_dead(self, rank: int) -> bool:
        """Whether a process of this machine is there no more."""
        machine, pid = json.loads(self._homes[rank])
        if machine != _machine():
            return False
        try:
            return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return True

    def _read(self, key: str) -> Any:
        with contextlib.suppress(RuntimeError):  # whoever keeps the notes may be gone
            if self._store.check([key]):
                return json.loads(self._store.get(key))
        return None


def _machine() -> list[str]:
    """What tells this machine from the others: its name may be that of all."""
    return [socket.gethostname(), os.environ.get("GROUP_RANK", "")]


class _Together(torch.autograd.Function):
    """Zeros but for the own rows, added up: exact, whatever each process has computed."""

    @staticmethod
    def forward(
        ctx: Any, part: Tensor, place: slice, count: int, summed: Callable[[Tensor], Tensor]
    ) -> Tensor:
        ctx.place, ctx.summed = place, summed
        whole = part.new_zeros(*part.shape[:-2], count, part.shape[-1])
        whole[..., place, :] = part
        return summed(whole)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        # Every process has used the rows of all: what it has found of each goes to who made it.
        (gradient,) = gradients
        return ctx.summed(gradient.clone())[..., ctx.place, :], None, None, None


def _buckets(tensors: list[Tensor]) -> Iterator[list[Tensor]]:
    """Some at a time, so that a copy of them is small."""
    bucket: list[Tensor] = []
    for tensor in tensors:
        if bucket and sum(each.numel() for each in bucket) + tensor.numel() > _BUCKET:
            yield bucket
            bucket = []
        bucket.append(tensor)
    if bucket:
        yield bucket


@contextlib.contextmanager
def joined(launch: Launch) -> Iterator[ProcessGroup]:
    """Be one of several processes, for as long as one command works.

    Args:
        launch: what torchrun says.

    Raises:
        ProcessLostError: another one has failed, or does not answer any more.
    """
    group = _started(launch)
    try:
        yield group
    except (KeyboardInterrupt, SystemExit) as stopped:
        # torchrun ends those that are left when one has failed: which is then the news.
        lost = group.lost()
        group.leave(Note(told=True))
        if isinstance(lost, ProcessLostError):
            raise lost from stopped
        raise
    except ProcessLostError:
        group.leave(Note())
        raise
    except DeftcleanError as error:
        group.leave(Note(message=error.message))
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        group.leave(Note(message=said, trace=traceback.format_exc()))
        raise
    dist.destroy_process_group()


def _started(launch: Launch) -> ProcessGroup:
    patience = datetime.timedelta(seconds=PATIENCE)
    both = torch.cuda.is_available() and dist.is_nccl_available()
    try:
        store, _, _ = next(rendezvous("env://", launch.rank, launch.size, timeout=patience))
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if both else "gloo",
            timeout=patience,
            rank=launch.rank,
            world_size=launch.size,
            store=store,
        )
    except (RuntimeError, ValueError) as error:
        where = ":".join(os.environ.get(name, "") for name in ("MASTER_ADDR", "MASTER_PORT"))
        raise RunError(
            f"Process {launch.rank} of {launch.size} does not find the others at {where}: "
            f"{str(error).splitlines()[0]}",
            "Start as many as torchrun was told; between hosts, ports must be open.",
        ) from error
    return ProcessGroup(launch, store)
