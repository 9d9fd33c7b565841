"""The epochs of a training that may be stopped and gone on with.

Knows where the state after each epoch is kept and what is said of it, not what is trained.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from torch import Tensor

from deftclean.core.progress import NowAndThen, Progress
from deftclean.training.checkpoint import Checkpoint


class EpochFigures(Protocol):
    """What one epoch gave."""

    def line(self, epochs: int) -> str:
        """For people."""


class TrainingRecord(Protocol):
    """What a training has done so far: figures of its epochs, and the state behind the last."""

    @property
    def epochs(self) -> Sequence[EpochFigures]:
        """Of every epoch so far, one or more."""

    def values(self) -> dict[str, Any]:
        """Plain values, for JSON."""

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """By group and name."""


Record = TypeVar("Record", bound=TrainingRecord)


@dataclass(frozen=True)
class ResumableTraining:
    """A training whose every epoch is kept until it is done.

    Attributes:
        title: of its bar.
        epochs: how many it has.
        steps: of one epoch.
        checkpoint: where its state is kept.
        resume: go on with what is kept there, if anything.
        progress: told what happens.
    """

    title: str
    epochs: int
    steps: int
    checkpoint: Checkpoint
    resume: bool
    progress: Progress

    def run(
        self,
        read: Callable[[dict[str, Any], Mapping[str, dict[str, Tensor]]], Record],
        train: Callable[[Record | None, NowAndThen], Iterable[Record]],
    ) -> Record | None:
        """Train the epochs that are left.

        Args:
            read: a record from what its `values` and `tensors` gave.
            train: the record to go on from, None for a beginning, and what is called after each
                step -> the record after each further epoch.

        Returns:
            The record after the last epoch; None where there was none to train.

        Raises:
            UsageError, InputError: as `Checkpoint.load`.
            UsageError: of several processes, one has other data or settings than the others.
        """
        self.checkpoint.ranks.refuse_other(self.checkpoint.identity)
        earlier = self.checkpoint.load(read) if self.resume else None
        done = len(earlier.epochs) if earlier is not None else 0
        record = earlier
        if done:
            self.progress.say(f"going on after {done} of {self.epochs} epochs")
        try:
            with self.progress.stage(self.title, self.steps * self.epochs) as advance:
                advance(self.steps * done, "")
                for record in train(earlier, NowAndThen(advance)):
                    self.checkpoint.save(record.values(), record.tensors())
                    self.progress.epoch(record.epochs[-1].line(self.epochs))
        except (KeyboardInterrupt, SystemExit):
            if record is not None:
                self._say_stopped(len(record.epochs))
            raise
        return record

    def _say_stopped(self, done: int) -> None:
        self.progress.say(
            f"stopped after {done} of {self.epochs} epochs, which are kept in "
            f"{self.checkpoint.folder}"
        )
