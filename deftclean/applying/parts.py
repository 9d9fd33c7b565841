"""`score_parts()`: some units of a data set scored, into a folder that several processes fill.

Nobody shares out work: i of n says which units are whose. Each is written whole, again if it is
scored again, and whoever finds that none is missing makes the folder a table.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from deftclean.applying.folder import Place
from deftclean.applying.job import Outcome, Work
from deftclean.applying.options import PartsOptions
from deftclean.applying.order import Order
from deftclean.applying.plan import Share
from deftclean.core.errors import RunError
from deftclean.core.progress import Progress, Silent
from deftclean.core.results import Shown, percent
from deftclean.core.run import RunOptions
from deftclean.core.text import few
from deftclean.data.options import ManifestOptions
from deftclean.settings.detector import Rule
from deftclean.settings.evidence import EvidenceOptions
from deftclean.stores.urls import UrlPath

_SHOWN = 3  # failed units that are named


@dataclass(frozen=True, repr=False)
class PartsResult(Shown):
    """What one worker has done.

    Attributes:
        output: the folder.
        rows: N of all units.
        units: how many there are.
        scored: units that this worker has scored.
        found: units of its share that were done before.
        open: units that are still to be done, by others.
        committed: the folder is a table now.
        noise_rate: of the table, rows scored and not kept ÷ rows scored; None before that.
        warnings: what may make the result useless.
        seconds: wall time.
    """

    output: PurePath
    rows: int
    units: int
    scored: int
    found: int
    open: int
    committed: bool
    noise_rate: float | None
    warnings: tuple[str, ...]
    seconds: float

    def facts(self) -> Mapping[str, object]:
        """What a notebook shows."""
        return {
            "rows": self.rows,
            "units": self.units,
            "scored": self.scored,
            "open": self.open,
            "finished": self.committed,
            "noise rate": percent(self.noise_rate),
            "folder": self.output,
            "warnings": len(self.warnings) or None,
            "seconds": round(self.seconds, 1),
        }


def score_parts(
    detector: str | Path,
    data: str | Path,
    labels: str | Path | None = None,
    *,
    parts: PartsOptions | None = None,
    output: str | Path = Path("scores"),
    rule: Rule | None = None,
    threshold: float | None = None,
    reading: ManifestOptions | None = None,
    evidence: EvidenceOptions | None = None,
    run: RunOptions | None = None,
    progress: Progress | None = None,
) -> PartsResult:
    """Score a share of a data set with a saved detector, into a folder that several workers fill.

    Args:
        detector: folder written by `scan`.
        data, labels, rule, threshold, reading, run, progress: as in `score`.
        parts: which share, and how many rows are written at a time; None for all of them.
        output: the folder; made where it is not there.
        evidence: `features` alone.

    Raises:
        UsageError: as `score`; or the folder holds the parts of another run.
        RunError: units failed, which are named; the others are there, and the same call goes on.
    """
    began = time.monotonic()
    progress, parts = progress or Silent(), parts or PartsOptions("1/1")
    share = Share.parsed(parts.part or "1/1")
    order = Order(
        detector, data, labels, output, parts.unit_rows, rule, threshold, reading,
        evidence or EvidenceOptions(), run or RunOptions(),
    )  # fmt: skip
    with order.opened(progress) as work:
        if parts.engine is None:
            outcome = _shared_out(work, share, progress)
        else:
            from deftclean.applying.engine import by_ray

            outcome = by_ray(order, work, parts.actors, progress)
        _refuse_failed(outcome, work.output)
        return _result(work, outcome, time.monotonic() - began)


def _shared_out(work: Work, share: Share, progress: Progress) -> Outcome:
    """The units of one of n workers, one after the other."""
    from deftclean.applying.work import opened_worker

    with opened_worker(work, progress) as worker:
        mine = share.among(work.units)
        wanted = [unit for unit in mine if not worker.is_done(unit)]
        if wanted:
            worker.load()
        failed = []
        for number, unit in enumerate(wanted, start=1):
            progress.say(f"unit {number:,} of {len(wanted):,}: {unit}")
            if why := worker.score(unit):
                failed.append((unit, why))
        left, told = worker.finish()
    return Outcome(len(wanted) - len(failed), len(mine) - len(wanted), failed, left, told)


def _refuse_failed(outcome: Outcome, output: Place) -> None:
    failed = outcome.failed
    if not failed:
        return
    listed = few([f"{unit}: {error}" for unit, error in failed], _SHOWN)
    raise RunError(
        f"{len(failed):,} of {len(failed) + outcome.scored:,} units failed; the others are in "
        f"{output}. {listed}",
        "The same command scores what is missing.",
    )


def _result(work: Work, outcome: Outcome, seconds: float) -> PartsResult:
    told = outcome.told or {}
    return PartsResult(
        UrlPath(work.output.path) if work.output.url is not None else work.output.path,
        work.rows.count,
        len(work.units),
        outcome.scored,
        outcome.found,
        outcome.open,
        outcome.told is not None,
        told.get("noise_rate"),
        tuple(told.get("warnings", ())),
        seconds,
    )
