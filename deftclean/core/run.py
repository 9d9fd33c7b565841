"""Where a run computes and what it keeps for later ones. No torch here."""

import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from deftclean.core.errors import UsageError
from deftclean.core.fields import setting

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Value = TypeVar("Value")
Count = TypeVar("Count", int, "Tensor")

_MODEL, _CACHE = "Model", "Cache"  # panels of the help


class Ranks:
    """The processes that do a run together: here this one, which has nobody to wait for.

    `deftclean.training.process_group.ProcessGroup` is of several. What sends something is called by
    all of them, in the same order.

    Attributes:
        rank: which of them this is, from 0; the first decides, writes and prints.
        size: how many there are.
        rank_here, here: the same on this machine alone.
    """

    def __init__(self, rank: int = 0, size: int = 1, rank_here: int = 0, here: int = 1) -> None:
        self.rank, self.size, self.rank_here, self.here = rank, size, rank_here, here

    @property
    def first(self) -> bool:
        """Whether this is the process that decides, writes and prints."""
        return self.rank == 0

    def parts(self, count: int, step: int = 1) -> list[slice]:
        """Which of `count` things in a row each process does: the same number, up to a step.

        Args:
            count: how many there are.
            step: how many stay together, so that batches are those of a single process.
        """
        steps = -(-count // step)
        ends = [min(count, -(-steps * rank // self.size) * step) for rank in range(self.size + 1)]
        return [slice(*pair) for pair in itertools.pairwise(ends)]

    def part(self, count: int, step: int = 1) -> slice:
        """Which of them this process does."""
        return self.parts(count, step)[self.rank]

    def rows_of(self, batch: int) -> slice:
        """Which rows of a training batch this process learns from.

        Of fewer rows than processes everyone takes all: no model is asked about no picture, and
        where counts are of all processes, what is taken by all counts as if it were taken once.
        """
        return slice(0, batch) if batch < self.size else self.part(batch)

    def total(self, count: Count) -> Count:
        """Sums over the processes, without gradient."""
        return count

    def part_of_mean(self, mean: "Tensor", own: Count, whole: Count) -> "Tensor":  # noqa: ARG002
        """From a mean over own rows, the own part of the mean over the rows of all processes.

        Args:
            mean: of this process's rows, with gradient.
            own: how many these are.
            whole: how many all processes have.
        """
        return mean

    def together(self, part: "Tensor", place: slice, count: int) -> "Tensor":  # noqa: ARG002
        """Rows that the processes have computed, put together; gradients go back to each of them.

        Args:
            part: (..., n, D), the own ones.
            place: where they stand among all.
            count: of all.

        Returns:
            (..., count, D), the same in every process.
        """
        return part

    def add_gradients(self, parameters: Iterable["Parameter"]) -> None:
        """Every process has, of each parameter, the sum of what all have found."""

    def sent(self, values: "Tensor", source: int) -> "Tensor":  # noqa: ARG002
        """The values that one process has; what others give says their form."""
        return values

    def every(self, value: Value) -> list[Value]:
        """The values of all processes, by rank."""
        return [value]

    def of_first(self, make: "Callable[[], Value]") -> Value:
        """What the first process makes; what it raises is raised by all."""
        return make()

    def refuse_other(self, what: Mapping[str, Any]) -> None:
        """Stop where processes have been given different things.

        Args:
            what: what must be the same for all, by name.

        Raises:
            UsageError: something is not.
        """


ALONE = Ranks()


@dataclass(frozen=True)
class Launch:
    """What torchrun says to a process that it starts.

    Attributes:
        rank, size: which of how many processes.
        rank_here, here: the same on this machine alone.
    """

    rank: int
    size: int
    rank_here: int
    here: int

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> "Launch | None":
        """None where nobody has started several processes.

        Args:
            environment: its variables.

        Raises:
            UsageError: the variables are no numbers, or do not go together.
        """
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
        given = {name: environment.get(name, "") for name in names}
        if not all(given.values()) or given["WORLD_SIZE"] == "1":
            return None
        given["LOCAL_WORLD_SIZE"] = environment.get("LOCAL_WORLD_SIZE") or given["WORLD_SIZE"]
        try:
            numbers = {name: int(given[name]) for name in given if not name.startswith("MASTER")}
        except ValueError:
            numbers = {}
        launch = cls(
            numbers.get("RANK", -1),
            numbers.get("WORLD_SIZE", 0),
            numbers.get("LOCAL_RANK", -1),
            numbers.get("LOCAL_WORLD_SIZE", 0),
        )
        if not (0 <= launch.rank < launch.size and 0 <= launch.rank_here < launch.here):
            listed = ", ".join(f"{name}={value}" for name, value in given.items())
            raise UsageError(
                f"Of several processes, the environment says what cannot be: {listed}.",
                "Start them with torchrun; or unset WORLD_SIZE, to be one process.",
            )
        return launch


def is_follower(environment: Mapping[str, str]) -> bool:
    """Whether another of several processes speaks for this one."""
    try:
        launch = Launch.of_environment(environment)
    except UsageError:
        return False
    return launch is not None and launch.rank > 0


@dataclass(frozen=True)
class RunOptions:
    """Where and with which model a run computes.

    Attributes:
        model: see `deftclean.models.weights.load_model`; None for the default, or in `score` for
            the model of the detector.
        weights: tag or checkpoint file.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        precision: `auto`, `fp32`, `bf16`, `fp16`.
        workers: processes that read images; None to choose.
        offline: never fetch weights.
        compile: translate the tuned image tower with `torch.compile`; other rounding.
        cache: keep resized pictures and embeddings for later passes and runs.
        cache_dir: where; None for the user's cache folder.
        cache_size: how large the cache may grow, in GB.
        ranks: the processes that do the run together.
    """

    model: str | None = None  # what it may be, and its default, differ between commands
    weights: str | None = setting(
        None,
        "Pretrained tag (default openai) or checkpoint file for a named model.",
        panel=_MODEL,
    )
    device: str = setting("auto", "auto, cpu, cuda, cuda:1 or mps.", panel=_MODEL)
    precision: Precision = setting(
        "auto",
        "auto: bf16 (or fp16) autocast on CUDA, float32 elsewhere. Losses are float32.",
        panel=_MODEL,
    )
    workers: int | None = setting(
        None,
        "Processes that read images, in every pass, at most 4 for each core. Default: by pass "
        "and device.",
        panel=_MODEL,
        at_least=0,
    )
    offline: bool = setting(False, "Never fetch weights, open no URL.", panel=_MODEL)
    compile: bool = setting(
        False,
        "Translate the image tower with torch.compile: takes a minute, then runs faster, on GPUs "
        "above all. Scores differ by rounding.",
        panel=_MODEL,
    )
    cache: bool = setting(
        True,
        "Keep none; pictures are decoded anew in every pass.",
        option="no_cache",
        panel=_CACHE,
    )
    cache_dir: str | Path | None = setting(
        None,
        "Where resized pictures and embeddings are kept for later passes and runs. Default: "
        "DEFTCLEAN_CACHE_DIR, or else the user's cache folder.",
        panel=_CACHE,
    )
    cache_size: float = setting(
        10.0,
        "How large the cache may grow, in GB; what was not used for longest goes first.",
        panel=_CACHE,
        at_least=0,
    )
    ranks: Ranks = ALONE


def cores() -> int:
    """Processor cores that this process may use."""
    known = hasattr(os, "sched_getaffinity")
    return (len(os.sched_getaffinity(0)) if known else os.cpu_count()) or 1


def most_workers() -> int:
    """Processes that read images, at most: more would only wait for each other."""
    return max(16, 4 * cores())
