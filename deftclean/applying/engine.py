"""Units scored by a pool of Ray actors: one process for each, on whatever hosts the cluster has.

Ray deals units out, restarts actors that die and tries their units again. What a unit is, what it
writes and when a folder is a table is the same as without.
"""

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from deftclean.applying.job import Outcome, Work
from deftclean.applying.order import Order
from deftclean.applying.plan import Unit
from deftclean.applying.work import Worker, opened_worker
from deftclean.core.errors import DeftcleanError, RunError, UsageError
from deftclean.core.progress import Progress, Silent
from deftclean.core.run import cores

_FOUND, _SCORED = "found", "scored"


def by_ray(order: Order, work: Work, actors: int | None, progress: Progress) -> Outcome:
    """Score all units.

    Args:
        order: what is asked for; a host that does not have what was fetched opens it by this.
        work: the same as it is on this host.
        actors: processes; None for one a GPU, or else one a core.
        progress: told what happens.

    Raises:
        UsageError: the cluster has no room for so many actors.
        RunError: Ray is not installed, or its actors cannot start.
    """
    ray, units = _ray(), work.units
    with _cluster(ray) as (processors, graphics):
        per_actor = 1.0 if graphics and work.run.device != "cpu" else 0.0
        most = int(graphics if per_actor else processors - 1)
        wanted = most if actors is None else actors
        if not 1 <= wanted <= most:
            raise UsageError(
                f"--actors {wanted}: this cluster has {int(processors)} CPUs and {int(graphics)} "
                f"GPUs; at most {most} actors leave Ray a CPU for itself.",
                f"Give --actors {max(most, 1)}, or more hosts.",
            )
        there = ray.remote(num_cpus=1, num_gpus=per_actor)
        job = _Job(order.for_others(), work)
        if (refusal := ray.get(there(_begun).remote(job))) is not None:
            raise _raised(refusal)
        wanted = min(wanted, len(units))
        progress.say(f"{len(units):,} units for {wanted} actors")
        said = _dealt_out(ray, job, wanted, per_actor, progress)
        left, told, refusal = ray.get(there(_finished).remote(job))
    if refusal is not None:
        raise _raised(refusal)
    scored, found = (list(said.values()).count(text) for text in (_SCORED, _FOUND))
    failed = [(units[at], why) for at, why in sorted(said.items()) if why not in (_SCORED, _FOUND)]
    return Outcome(scored, found, failed, left, told)


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise RunError(
            "--engine ray needs Ray, which is not installed.", "pip install 'deftclean[ray]'"
        ) from error
    return ray


@contextmanager
def _cluster(ray: Any) -> Iterator[tuple[float, float]]:
    """The cluster of RAY_ADDRESS, or one of this host alone: how many CPUs and GPUs it has."""
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    try:
        if os.environ.get("RAY_ADDRESS"):
            ray.init(address="auto", **quiet)
        else:
            # One more than there are: Ray's own work is little, and waits for no core.
            ray.init(num_cpus=cores() + 1, include_dashboard=False, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        raise RunError(
            f"Ray cannot start: {str(error).splitlines()[0]}",
            "Is the cluster of RAY_ADDRESS there?",
        ) from error
    try:
        there = ray.cluster_resources()
        yield there.get("CPU", 0.0), there.get("GPU", 0.0)
    finally:
        ray.shutdown()


def _dealt_out(
    ray: Any, job: "_Job", actors: int, graphics: float, progress: Progress
) -> dict[int, str]:
    """What became of each unit."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    numbers = [{"unit": number} for number in range(len(job.work.units))]
    pool = ray.data.ActorPoolStrategy(size=actors)
    dealt = ray.data.from_items(numbers, override_num_blocks=len(numbers)).map_batches(
        _Actor,
        fn_constructor_args=(job,),
        batch_size=1,
        compute=pool,
        num_cpus=1,
        num_gpus=graphics,
    )
    said: dict[int, str] = {}
    with progress.stage("Scoring units", len(numbers)) as advance:
        for row in dealt.iter_rows():
            said[int(row["unit"])] = str(row["said"])
            advance(1, "")
    return said


@dataclass(frozen=True)
class _Job:
    """What an actor is told.

    Attributes:
        order: as the user gave it.
        work: the same as it is on the host that asks.
    """

    order: Order
    work: Work

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """A worker on this host, which opens what lies behind URLs if nobody has done so here.

        Raises:
            RunError: a local path is not on this host.
        """
        with ExitStack() as opened:
            if self.work.is_here:
                _refuse_absent(self.work)
                work = self.work
            else:
                work = opened.enter_context(self.order.opened(Silent()))
            yield opened.enter_context(opened_worker(work, Silent()))


def _refuse_absent(work: Work) -> None:
    """Pictures that this host does not see must not pass for missing ones."""
    absent = [str(path) for path in work.places if path is not None and not path.exists()]
    if absent and work.mirror is None:
        raise RunError(
            f"The host {socket.gethostname()} does not see {', '.join(absent)}.",
            "Put it where all hosts of the cluster see it under this name, or behind a URL.",
        )


class _Actor:
    """A worker in a process of its own."""

    def __init__(self, job: _Job) -> None:
        self._units, self._opened, self._refused = job.work.units, ExitStack(), ""
        try:
            self._worker = self._opened.enter_context(job.worker())
            self._worker.load()
        except DeftcleanError as error:  # told of each unit that it is given
            self._refused = str(error)

    def __del__(self) -> None:
        """Ray lets an actor go without another word; what it has fetched goes too."""
        self._opened.close()

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Score the units of a batch."""
        units = [self._units[int(number)] for number in batch["unit"]]
        return {"unit": batch["unit"], "said": [self._said(unit) for unit in units]}

    def _said(self, unit: Unit) -> str:
        if self._refused:
            return self._refused
        return _FOUND if self._worker.is_done(unit) else self._worker.score(unit) or _SCORED


_Refusal = tuple[int, str, str]
"""Exit code, message and hint of an error, which travels between processes as plain values."""


def _begun(job: _Job) -> _Refusal | None:
    """Agree on the plan and load everything once, so that what is wrong is told once."""
    try:
        with job.worker() as worker:
            worker.load()
    except DeftcleanError as error:
        return error.exit_code, error.message, error.hint
    return None


def _finished(job: _Job) -> tuple[int, dict[str, Any] | None, _Refusal | None]:
    """As `Worker.finish`, and what went wrong."""
    try:
        with job.worker() as worker:
            return *worker.finish(), None
    except DeftcleanError as error:
        return 0, None, (error.exit_code, error.message, error.hint)


def _raised(refusal: _Refusal) -> DeftcleanError:
    code, message, hint = refusal
    return (UsageError if code == UsageError.exit_code else RunError)(message, hint)
