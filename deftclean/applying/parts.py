"""`score_parts()`: some units of a data set scored, into a folder that several processes fill.

Nobody shares out work: i of n says which units are whose. Each is written whole, again if it is
scored again, and whoever finds that none is missing makes the folder a table.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from deftclean.applying.asked import Asked
from deftclean.applying.folder import Place
from deftclean.applying.job import Outcome, Work
from deftclean.applying.options import PartsOptions
from deftclean.applying.plan import Share
from deftclean.applying.sharded import rows_to_score
from deftclean.core.errors import RunError, UsageError
from deftclean.core.outputs import check_name, is_empty_folder, refuse_foreign, refuse_input
from deftclean.core.progress import Progress, Silent
from deftclean.core.results import Shown, percent
from deftclean.core.run import RunOptions
from deftclean.core.text import few
from deftclean.data.manifest import Manifest
from deftclean.data.options import ManifestOptions, input_files
from deftclean.settings.detector import Rule
from deftclean.settings.evidence import EvidenceOptions
from deftclean.stores.door import opens_urls
from deftclean.stores.urls import UrlPath, forbidden, url_of
from deftclean.table.parts import PLAN

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


@opens_urls("detector", "data", "labels", "reading", "evidence", "run")
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
    progress, run = progress or Silent(), run or RunOptions()
    home, place = Path(detector), _place(output, run)
    evidence = evidence or EvidenceOptions()
    parts = parts or PartsOptions("1/1")
    share = Share.parsed(parts.part or "1/1")
    _check_output(place, [*input_files(data, labels, reading), home])
    _refuse_by_row(evidence)
    asked = Asked.of(home, rule, threshold, reading, evidence, run)
    rows = rows_to_score(Path(data), None if labels is None else Path(labels), asked.reading)
    _refuse_reviewed(rows.first)
    for note in rows.first.notes:
        progress.say(note)
    brought = asked.brought(rows.first, progress.say)
    work = Work(asked, rows, place, parts.unit_rows, brought, run)
    if parts.engine is None:
        outcome = _shared_out(work, share, progress)
    else:
        from deftclean.applying.engine import by_ray

        outcome = by_ray(work, parts.actors, progress)
    _refuse_failed(outcome, place)
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


def _place(output: str | Path, run: RunOptions) -> Place:
    url = url_of(output)
    if url is not None and run.offline:
        raise forbidden(url)
    return Place(Path(output)) if url is None else Place.of(url)


def _check_output(place: Place, inputs: Iterable[Path | None]) -> None:
    output = place.path
    if place.url is None:
        check_name(output)
    if output.suffix.lower() == ".parquet":
        raise UsageError(
            f"-o {place}: with --part a folder is filled.", "Leave .parquet out: -o scores/"
        )
    if place.url is not None:
        return
    refuse_input(output, inputs)
    if not output.parent.is_dir():
        raise UsageError(f"The folder {output.parent} does not exist.", "Make it first.")
    if output.exists() and not is_empty_folder(output):
        refuse_foreign(output, (PLAN,), "is there, and is no folder of parts.")


def _refuse_by_row(evidence: EvidenceOptions) -> None:
    by_row = [name for name in ("--embeddings", "--pred-probs") if name in evidence.given]
    if by_row:
        raise UsageError(
            f"{', '.join(by_row)} cannot go with --part: such a file is read whole.",
            "Score without --part, or give --features MODEL.",
        )


def _refuse_reviewed(manifest: Manifest) -> None:
    if manifest.review is not None and manifest.review.rows:
        raise UsageError(
            f"{manifest.source} was reviewed: decisions are about pictures, which --part judges "
            "row by row.",
            "Score it without --part, or export it first: deftclean export",
        )
