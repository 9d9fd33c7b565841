"""`score_parts()`: some units of a data set scored, into a folder that several processes fill.

Nobody shares out work: i of n says which units are whose. Each is written whole, again if it is
scored again, and whoever finds that none is missing makes the folder a table.
"""

import hashlib
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from deftclean.applying.asked import as_in_scan, check_evidence
from deftclean.applying.folder import LocalFolder, PartsFolder
from deftclean.applying.options import UNIT_ROWS, PartsOptions
from deftclean.applying.plan import FOLDERS, PLAN_VERSION, Plan, Share, Unit, agreed
from deftclean.core.errors import DeftcleanError, RunError, UsageError
from deftclean.core.outputs import check_name, is_empty_folder, refuse_foreign, refuse_input
from deftclean.core.progress import Progress, Silent
from deftclean.core.results import Shown, percent
from deftclean.core.run import RunOptions
from deftclean.core.text import few
from deftclean.data.manifest import Manifest, read_manifest
from deftclean.data.options import ManifestOptions, input_files
from deftclean.detection.scan import check_compile, check_threshold
from deftclean.hearing.brought import Brought, read_brought
from deftclean.models.detector_card import DetectorCard, read_card
from deftclean.settings.detector import Rule
from deftclean.settings.evidence import EvidenceOptions
from deftclean.table.parts import PLAN
from deftclean.table.scores import ScoreTable, judged_by, put_scores
from deftclean.table.seal import folder_digest
from deftclean.table.ways import placed

if TYPE_CHECKING:
    from deftclean.applying.judge import Judge

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

    output: Path
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


@dataclass(frozen=True)
class Job:
    """What all units of a data set have in common.

    Attributes:
        home, card: the detector.
        manifest: N rows.
        reading: with which they were read.
        rule, threshold: of `keep`.
        output: the folder.
    """

    home: Path
    card: DetectorCard
    manifest: Manifest
    reading: ManifestOptions
    rule: Rule
    threshold: float
    output: Path


def score_parts(
    detector: str | Path,
    data: str | Path,
    labels: str | Path | None = None,
    *,
    parts: PartsOptions,
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
        parts: which share, and how many rows are written at a time.
        output: the folder; made where it is not there.
        evidence: `features` alone.

    Raises:
        UsageError: as `score`; or the folder holds the parts of another run.
        RunError: units failed, which are named; the others are there, and the same call goes on.
    """
    began = time.monotonic()
    progress, run = progress or Silent(), run or RunOptions()
    output, home = Path(output), Path(detector)
    evidence = evidence or EvidenceOptions()
    share = Share.parsed(parts.part or "1/1")
    _check_output(output, [*input_files(data, labels, reading), home])
    card = read_card(home)
    threshold = card.threshold if threshold is None else threshold
    check_threshold(threshold)
    check_compile(run, card.config)
    _check_asked(evidence, card, home)
    reading = replace(reading or ManifestOptions(), known_labels=card.label_names)
    manifest = read_manifest(Path(data), Path(labels) if labels is not None else None, reading)
    _refuse_reviewed(manifest)
    for note in manifest.notes:
        progress.say(note)
    brought = as_in_scan(
        read_brought(evidence, manifest, card.class_names, progress.say), card, home
    )
    job = Job(home, card, manifest, reading, rule or card.rule, threshold, output)
    return _worked(job, share, parts.unit_rows, brought, run, progress, began)


def _check_output(output: Path, inputs: Iterable[Path | None]) -> None:
    check_name(output)
    if output.suffix.lower() == ".parquet":
        raise UsageError(
            f"-o {output}: with --part a folder is filled.", "Leave .parquet out: -o scores/"
        )
    refuse_input(output, inputs)
    if not output.parent.is_dir():
        raise UsageError(f"The folder {output.parent} does not exist.", "Make it first.")
    if output.exists() and not is_empty_folder(output):
        refuse_foreign(output, (PLAN,), "is there, and is no folder of parts.")


def _check_asked(evidence: EvidenceOptions, card: DetectorCard, home: Path) -> None:
    by_row = [name for name in ("--embeddings", "--pred-probs") if name in evidence.given]
    if by_row:
        raise UsageError(
            f"{', '.join(by_row)} cannot go with --part: such a file is read whole.",
            "Score without --part, or give --features MODEL.",
        )
    evidence.check(True, None, {})
    check_evidence(evidence, card, home)


def _refuse_reviewed(manifest: Manifest) -> None:
    if manifest.review is not None and manifest.review.rows:
        raise UsageError(
            f"{manifest.source} was reviewed: decisions are about pictures, which --part judges "
            "row by row.",
            "Score it without --part, or export it first: deftclean export",
        )


def _worked(
    job: Job,
    share: Share,
    unit_rows: int,
    brought: Brought,
    run: RunOptions,
    progress: Progress,
    began: float,
) -> PartsResult:
    from deftclean.applying.commit import looked_over, unit_done
    from deftclean.applying.judge import opened_judge

    with opened_judge(job.home, job.card, brought, run, progress) as judge:
        plan = plan_of(job, judge, unit_rows)
        folder = LocalFolder(job.output, FOLDERS)
        agreed(plan, folder, str(job.output))
        mine = plan.share(share)
        wanted = [unit for unit in mine if unit_done(plan, unit, folder) is None]
        failed = _scored(job, plan, wanted, judge, folder, progress)
        state = looked_over(plan, folder)
        told = {} if state.open else finished(job, plan, folder, judge)
    if failed:
        listed = few([f"{unit}: {error}" for unit, error in failed], _SHOWN)
        raise RunError(
            f"{len(failed):,} of {len(wanted):,} units failed; the others are in {job.output}. "
            f"{listed}",
            "The same command scores what is missing.",
        )
    return PartsResult(
        job.output,
        plan.rows,
        plan.count,
        len(wanted),
        len(mine) - len(wanted),
        len(state.open),
        not state.open,
        told.get("noise_rate"),
        tuple(told.get("warnings", ())),
        time.monotonic() - began,
    )


def plan_of(job: Job, judge: "Judge", unit_rows: int) -> Plan:
    """What a worker takes the folder to be for."""
    manifest = job.manifest
    read = {"source": manifest.source, "rows": len(manifest), "sha256": _digest(manifest)}
    decided = {
        "detector": folder_digest(job.home),
        "model": job.card.weights_sha256,
        "tool_version": _version(),
        "device": judge.runtime.device.type,
        "precision": judge.runtime.precision,
        "rule": job.rule,
        "threshold": job.threshold,
        "features": None if judge.chosen is None else judge.chosen.name,
    }
    return Plan(PLAN_VERSION, len(manifest), unit_rows, read, decided)


def _version() -> str:
    from deftclean import __version__

    return __version__


def _digest(manifest: Manifest) -> str:
    """Of names, labels and all that is carried on."""
    table = pa.table({"file": manifest.file_names, "label": manifest.given_labels})
    digest = hashlib.sha256()
    for each in (table, manifest.columns):
        sink = pa.BufferOutputStream()
        # In batches of one size, so that it does not matter in which pieces they were read.
        for batch in each.combine_chunks().to_batches(UNIT_ROWS):
            with pa.ipc.new_stream(sink, each.schema) as stream:
                stream.write_batch(batch)
        digest.update(sink.getvalue())
    return digest.hexdigest()


def _scored(
    job: Job,
    plan: Plan,
    units: list[Unit],
    judge: "Judge",
    folder: PartsFolder,
    progress: Progress,
) -> list[tuple[Unit, str]]:
    """Score units one after the other; those that failed, and why."""
    failed = []
    if units:
        judge.load()
    for number, unit in enumerate(units, start=1):
        place = judge.reader.folder / "unit"
        place.mkdir()
        try:
            progress.say(f"unit {number:,} of {len(units):,}: {unit}")
            score_unit(job, plan, unit, judge, folder, place)
        except (DeftcleanError, OSError) as error:
            progress.warn(f"{unit} failed: {error}")
            failed.append((unit, str(error)))
        finally:
            shutil.rmtree(place, ignore_errors=True)
    return failed


def score_unit(
    job: Job, plan: Plan, unit: Unit, judge: "Judge", folder: PartsFolder, place: Path
) -> None:
    """Score the rows of a unit and write them.

    Args:
        job, plan, unit: what is to be done.
        judge: who does it.
        folder: of the parts.
        place: an empty folder for what only this needs.
    """
    from deftclean.applying.unit_facts import UnitDone
    from deftclean.applying.unit_rows import judged_unit, of_unit

    rows = of_unit(job.manifest, unit)
    scores, facts = judged_unit(judge, rows, unit, job.reading, job.rule, job.threshold, place)
    file = place / "part.parquet"
    made = judged_by(scores, job.home)
    put_scores(made, file, job.output / unit.part, *_places(job))
    data = file.read_bytes()
    folder.write(unit.part, data)
    digest = hashlib.sha256(data).hexdigest()
    done = UnitDone(plan.digest, len(scores), len(data), digest, facts)
    folder.write(unit.facts, done.text)


def finished(job: Job, plan: Plan, folder: PartsFolder, judge: "Judge") -> dict[str, Any]:
    """Make a table of a folder in which no unit is missing; its metadata."""
    from deftclean.applying.commit import commit, looked_over
    from deftclean.applying.unit_rows import metadata_of

    facts = metadata_of(judge, None)
    empty = pa.table({name: [] for name in ("given_label", "clean_prob", "keep")})
    scores = judged_by(ScoreTable(empty, facts), job.home)
    metadata = {**scores.metadata, "rule": job.rule, "threshold": job.threshold}
    told = placed(metadata, job.output, *_places(job))
    return commit(plan, looked_over(plan, folder).done, told, folder)


def _places(job: Job) -> tuple[Path, Path | None, Path]:
    return job.manifest.root, job.manifest.labels_file, job.home
