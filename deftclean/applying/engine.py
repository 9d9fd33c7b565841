"""Units scored by a pool of Ray actors: one process for each, on whatever hosts the cluster has.

Ray deals units out, restarts actors that die and tries their units again. What a unit is, what it
writes and when a folder is a table is the same as without.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from deftclean.applying.job import Outcome, Work
from deftclean.applying.plan import Unit
from deftclean.applying.work import opened_worker
from deftclean.core.errors import DeftcleanError, RunError, UsageError
from deftclean.core.progress import Progress, Silent
from deftclean.core.run import cores

_FOUND, _SCORED = "found", "scored"


def by_ray(work: Work, actors: int | None, progress: Progress) -> Outcome:
    """Score all units.

    Args:
        work: what is to be done.
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
        hosts = sum(bool(node["Alive"]) for node in ray.nodes())
        if hosts > 1 and work.fetched:
            raise UsageError(
                f"This cluster has {hosts} hosts, and what is behind URLs was fetched to this one.",
                "Put it where all hosts see it; or give each host a --part.",
            )
        wanted = most if actors is None else actors
        if not 1 <= wanted <= most:
            raise UsageError(
                f"--actors {wanted}: this cluster has {int(processors)} CPUs and {int(graphics)} "
                f"GPUs; at most {most} actors leave Ray a CPU for itself.",
                f"Give --actors {max(most, 1)}, or more hosts.",
            )
        there = ray.remote(num_cpus=1, num_gpus=per_actor)
        if (refusal := ray.get(there(_begun).remote(work))) is not None:
            raise _raised(refusal)
        wanted = min(wanted, len(units))
        progress.say(f"{len(units):,} units for {wanted} actors")
        said = _dealt_out(ray, work, wanted, per_actor, progress)
        left, told, refusal = ray.get(there(_finished).remote(work))
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
    ray: Any, work: Work, actors: int, graphics: float, progress: Progress
) -> dict[int, str]:
    """What became of each unit."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    numbers = [{"unit": number} for number in range(len(work.units))]
    pool = ray.data.ActorPoolStrategy(size=actors)
    dealt = ray.data.from_items(numbers, override_num_blocks=len(numbers)).map_batches(
        _Actor,
        fn_constructor_args=(work,),
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


class _Actor:
    """A worker in a process of its own."""

    def __init__(self, work: Work) -> None:
        self._work, self._opened = work, ExitStack()
        self._worker = self._opened.enter_context(opened_worker(work, Silent()))
        self._worker.load()

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Score the units of a batch."""
        units = [self._work.units[int(number)] for number in batch["unit"]]
        return {"unit": batch["unit"], "said": [self._said(unit) for unit in units]}

    def _said(self, unit: Unit) -> str:
        return _FOUND if self._worker.is_done(unit) else self._worker.score(unit) or _SCORED


_Refusal = tuple[int, str, str]
"""Exit code, message and hint of an error, which travels between processes as plain values."""


def _begun(work: Work) -> _Refusal | None:
    """Agree on the plan and load everything once, so that what is wrong is told once."""
    try:
        with opened_worker(work, Silent()) as worker:
            worker.load()
    except DeftcleanError as error:
        return error.exit_code, error.message, error.hint
    return None


def _finished(work: Work) -> tuple[int, dict[str, Any] | None, _Refusal | None]:
    """As `Worker.finish`, and what went wrong."""
    try:
        with opened_worker(work, Silent()) as worker:
            return *worker.finish(), None
    except DeftcleanError as error:
        return 0, None, (error.exit_code, error.message, error.hint)


def _raised(refusal: _Refusal) -> DeftcleanError:
    code, message, hint = refusal
    return (UsageError if code == UsageError.exit_code else RunError)(message, hint)
