"""The command `scan`: what was asked is checked, without torch, before any work is done.

A typed result out; nothing is printed. The work itself is `deftclean.detection.scanning`'s.
"""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deftclean.core.errors import UsageError
from deftclean.core.outputs import (
    PARTS,
    check_checkpoint_output,
    checkpoint_folder,
    detector_folder,
    refuse_finished,
)
from deftclean.core.progress import Progress, Silent
from deftclean.core.run import RunOptions
from deftclean.core.switch import recover
from deftclean.data.manifest import read_manifest
from deftclean.data.options import ManifestOptions, input_files
from deftclean.detection.result import ScanResult
from deftclean.gate.check import Gates
from deftclean.hearing.brought import read_brought
from deftclean.models.detector_card import check_detector_output
from deftclean.settings.detector import DetectorConfig, Noise, resolve
from deftclean.settings.evidence import NO_MODEL, EvidenceOptions
from deftclean.settings.strategies import Strategy, StrategyOptions
from deftclean.stores.door import opens_urls
from deftclean.table.scores import ScoreTable, check_table_output, read_scores
from deftclean.table.summary import summarise

DEFAULT_MODEL = "ViT-B-16"
DEFAULT_OUTPUT = Path("clean.parquet")
DEFT_THRESHOLD = 0.5  # Eq. 5


@opens_urls("data", "labels", "reading", "evidence", "run", "baseline", output="output")
def scan(
    data: str | Path,
    labels: str | Path | None = None,
    *,
    output: str | Path = DEFAULT_OUTPUT,
    overwrite: bool = False,
    resume: bool = False,
    noise: Noise = "real",
    strategy: Strategy = "evidence",
    noise_ratio: float | None = None,
    threshold: float | None = None,
    settings: Mapping[str, Any] | None = None,
    reading: ManifestOptions | None = None,
    evidence: EvidenceOptions | None = None,
    run: RunOptions | None = None,
    progress: Progress | None = None,
    fail_on: str | Iterable[str] = (),
    baseline: str | Path | None = None,
) -> ScanResult:
    """Train a detector on a data set, score every row, write the table and the detector.

    Args:
        data: image folder, or a table.
        labels: table of labels; None where sub-folders are classes or `data` is a table.
        output: the score table; the detector goes beside it.
        overwrite: replace existing outputs.
        resume: go on where a stopped scan of the same data and settings left off, if one did.
        noise: preset, `real`, `synthetic` or `severe`.
        strategy: how rows are selected (`--recipe`): `evidence`, all witnesses together; `deft`,
            the published method; or one that they are compared with, which leaves no detector.
        noise_ratio: of `small-loss`, the share of labels that is wrong, in [0, 1).
        threshold: the `clean_prob` above which a row may be kept, in [0, 1]; None for 0.5 with
            `deft`, and with `evidence` for the one that makes the expected F1 of the wrong labels
            highest.
        settings: fields of `DetectorConfig` that differ from the preset.
        reading: columns and class names.
        evidence: numbers and words of the user's own.
        run: model and device; model `none` loads nothing and judges by the user's numbers alone.
        progress: told what happens; nobody by default.
        fail_on, baseline: as in `check`, which is asked when the table is written; it raises
            nothing where a gate fails.

    Raises:
        UsageError: options or input are wrong; nothing was written.
        RunError: weights cannot be had, training collapsed, or the disk is full.
    """
    began = time.monotonic()
    progress, run = progress or Silent(), run or RunOptions()
    output = Path(output)
    options = StrategyOptions(strategy, noise_ratio)
    options.check(threshold, resume, run.compile)
    if threshold is None and not options.is_evidence:
        threshold = DEFT_THRESHOLD
    given = options.settings(settings or {})
    evidence = evidence or EvidenceOptions()
    without = run.model == NO_MODEL
    evidence.check(options.is_evidence, run.model, _of_models(given, resume, run))
    if without:
        given["tuner"] = "none"
    check_threshold(threshold)
    asked = resolve(noise, given, rows=1).config  # wrong settings are found before reading
    check_compile(run, asked)
    evidence.refuse_with(asked.class_specific)
    gates = Gates.of(fail_on, baseline)
    if run.ranks.of_first(lambda: recover(output)) and resume:
        progress.say(f"{output} is whole: the run that was stopped had finished it")
        made = run.ranks.of_first(lambda: read_scores(output))
        return _finished(output, made, gates, began, run)
    if resume and not overwrite:
        parts = [checkpoint_folder(output, part) for part in PARTS]
        anew = "Give --overwrite to scan anew."
        run.ranks.of_first(lambda: refuse_finished(output, output, parts, anew))
    reading = reading or ManifestOptions()
    inputs = [*input_files(data, labels, reading), *evidence.files]
    run.ranks.of_first(lambda: _check_outputs(output, overwrite, resume, inputs))
    manifest = read_manifest(Path(data), Path(labels) if labels is not None else None, reading)
    gates.refuse_unknown_classes(manifest.class_names)
    for note in manifest.notes:
        progress.say(note)

    brought = read_brought(evidence, manifest, manifest.class_names, progress.say)

    from deftclean.detection.modelless import ModellessScan
    from deftclean.detection.scanning import Scan

    work = (ModellessScan if without else Scan)(
        manifest=manifest,
        reading=reading,
        noise=noise,
        given=given,
        options=options,
        threshold=threshold,
        output=output,
        overwrite=overwrite,
        resume=resume,
        model=run.model or DEFAULT_MODEL,
        run=run,
        brought=brought,
        progress=progress,
    )
    return _finished(output, work.finish(asked), gates, began, run)


def _finished(
    output: Path, made: ScoreTable, gates: Gates, began: float, run: RunOptions
) -> ScanResult:
    """What a run has made, now or before it was stopped."""
    asked = gates.expressions and run.ranks.first
    return ScanResult(
        output,
        detector_folder(output) if detector_folder(output).exists() else None,
        made,
        summarise(made),
        tuple(made.metadata["warnings"]),
        time.monotonic() - began,
        gates.check(output) if asked else None,
    )


# ---------------------------------------------------------------- checks before the work


def _of_models(given: Mapping[str, Any], resume: bool, run: RunOptions) -> dict[str, Any]:
    """Options that mean something with a model alone, and what was given for them."""
    settings = {
        f"--{name.replace('_', '-')}": True
        for name in given
        if name not in ("seed", "decode") and (name, given[name]) != ("tuner", "none")
    }
    return {**settings, "--resume": resume, "--weights": run.weights, "--compile": run.compile}


def check_threshold(threshold: float | None) -> None:
    """Refuse a threshold that no clean probability can be above or below; None is left to others.

    Raises:
        UsageError: it is not in [0, 1].
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"--threshold is {threshold}; a clean probability lies in [0, 1].")


def check_compile(run: RunOptions, config: DetectorConfig) -> None:
    """Refuse to compile what is run only once.

    Raises:
        UsageError: there is no tuner.
    """
    if run.compile and config.tuner == "none":
        raise UsageError(
            "--compile cannot go with --tuner none, which computes image features only once.",
            "Leave --compile out.",
        )


def _check_outputs(
    output: Path, overwrite: bool, resume: bool, inputs: Iterable[Path | None]
) -> None:
    check_table_output(output, overwrite, inputs)
    check_detector_output(detector_folder(output), overwrite)
    for part in PARTS:
        check_checkpoint_output(checkpoint_folder(output, part), may_go=overwrite or resume)
