"""The commands, whole: scan, score, select. Typed results out; nothing is printed.

The one file that knows all the others and the order of the work.
"""

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deftclean import __version__
from deftclean.config import (
    PRESETS,
    DetectorConfig,
    Noise,
    Precision,
    ResolvedConfig,
    Rule,
    resolve,
)
from deftclean.errors import InputError, RunError, UsageError
from deftclean.manifest import Manifest, ManifestOptions, read_manifest
from deftclean.progress import Progress, Silent
from deftclean.scores import (
    SCHEMA_VERSION,
    SCORE_SCHEMA,
    ScoreTable,
    check_table_output,
    decide,
    image_root,
    read_scores,
    whole_table,
    write_scores,
)
from deftclean.summary import Summary, summarise

if TYPE_CHECKING:
    import torch

    from deftclean.checkpoint import DetectorCard
    from deftclean.detector import DualPromptDetector
    from deftclean.feeds import Embeddings, Features
    from deftclean.images import ImageCheck, ImageSource
    from deftclean.runtime import Runtime
    from deftclean.scoring import DetectorScores, ZeroShotScores
    from deftclean.training import EpochMetrics, StepReport

DEFAULT_MODEL = "ViT-B-16"
DEFAULT_OUTPUT = Path("clean.parquet")

_SCORING_BATCH = 64
_PROBE = 32
_HOURS = 3600.0  # a run longer than this gets advice
_SHOW_EVERY = 1.0  # seconds between looks at the loss, each of which waits for the device


@dataclass(frozen=True)
class RunOptions:
    """Where and with which model a run computes.

    Attributes:
        model: see `deftclean.weights.load_model`; None for the default, or in `score` for the
            model of the detector.
        weights: tag or checkpoint file.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        precision: `auto`, `fp32`, `bf16`, `fp16`.
        workers: image-decoding processes; None to choose.
        offline: never fetch weights.
    """

    model: str | None = None
    weights: str | None = None
    device: str = "auto"
    precision: Precision = "auto"
    workers: int | None = None
    offline: bool = False


@dataclass(frozen=True)
class ScanResult:
    """What a command made.

    Attributes:
        output: the score table's file.
        detector: the detector folder, if one was written.
        scores: the table.
        summary: the table in short.
        warnings: what may make the result useless.
        seconds: wall time.
    """

    output: Path
    detector: Path | None
    scores: ScoreTable
    summary: Summary
    warnings: tuple[str, ...]
    seconds: float


def detector_folder(output: Path) -> Path:
    """The detector that belongs to a table: clean.parquet -> clean.detector."""
    return output.with_suffix(".detector")


def scan(
    data: str | Path,
    labels: str | Path | None = None,
    *,
    output: str | Path = DEFAULT_OUTPUT,
    overwrite: bool = False,
    noise: Noise = "real",
    threshold: float = 0.5,
    settings: Mapping[str, Any] | None = None,
    reading: ManifestOptions | None = None,
    run: RunOptions | None = None,
    progress: Progress | None = None,
) -> ScanResult:
    """Train a detector on a data set, score every row, write the table and the detector.

    Args:
        data: image folder, or a table.
        labels: table of labels; None where sub-folders are classes or `data` is a table.
        output: the score table; the detector goes beside it.
        overwrite: replace existing outputs.
        noise: preset, `real`, `synthetic` or `severe`.
        threshold: `clean_prob` above which a row may be kept, in [0, 1].
        settings: fields of `DetectorConfig` that differ from the preset.
        reading: columns and class names.
        run: model and device.
        progress: told what happens; nobody by default.

    Raises:
        UsageError: options or input are wrong; nothing was written.
        RunError: weights cannot be had, training collapsed, or the disk is full.
    """
    began = time.monotonic()
    progress, run = progress or Silent(), run or RunOptions()
    output, target = Path(output), detector_folder(Path(output))
    given = dict(settings or {})
    _check_threshold(threshold)
    resolve(noise, given, rows=1)  # wrong settings are found before anything is read
    _check_scan_outputs(output, target, overwrite)
    reading = reading or ManifestOptions()
    manifest = read_manifest(Path(data), Path(labels) if labels is not None else None, reading)
    for note in manifest.notes:
        progress.say(note)

    from deftclean.runtime import choose_runtime, reproducible
    from deftclean.weights import check_name

    check_name(run.model or DEFAULT_MODEL, run.weights)
    runtime = choose_runtime(run.device, run.precision, run.workers)
    with _work_folder() as folder, reproducible():
        source = _image_source(manifest, reading, folder)
        checks = _check_all(source, len(manifest), runtime, progress)
        rows = _Rows.of(manifest, checks, manifest.class_names)
        _refuse_hopeless(manifest, checks, rows)
        resolved = resolve(noise, given, len(rows.trainable))
        _say_settings(progress, resolved, runtime)
        warnings = list(resolved.warnings)
        for text in warnings:
            progress.warn(text)

        session = _Session.load(run.model or DEFAULT_MODEL, run, runtime, progress)
        detector = session.detector_for(manifest.class_names, resolved.config)
        pictures = _Pictures(source, session, rows, folder, keep_features=detector.tuner is None)
        cost = _CostOfRun(rows, resolved.config, runtime, progress)
        zero_shot = pictures.zero_shot(manifest.class_names, progress, cost)
        warnings += _zero_shot_warnings(zero_shot, rows, progress)
        epochs = _train(detector, pictures, resolved, progress)
        warnings += _training_warnings(epochs, zero_shot, rows, manifest, progress)
        scores = pictures.score(detector, progress)

        from deftclean.checkpoint import save_detector

        card = session.card(manifest, resolved.config, threshold, epochs, warnings, target)
        table = _score_table(manifest, checks, rows, scores, zero_shot, manifest.class_names)
        facts = _metadata(card, runtime, "scan", _agreement(zero_shot, rows))
        made = decide(ScoreTable(table, facts), resolved.config.rule, threshold)
        # The table appears last: where it is, the detector beside it is its own.
        with whole_table(made, output, manifest.root, overwrite):
            save_detector(detector, card, target, overwrite)
    return ScanResult(
        output, target, made, summarise(made), tuple(warnings), time.monotonic() - began
    )


def score(
    detector: str | Path,
    data: str | Path,
    labels: str | Path | None = None,
    *,
    output: str | Path = Path("scores.parquet"),
    overwrite: bool = False,
    rule: Rule | None = None,
    threshold: float | None = None,
    reading: ManifestOptions | None = None,
    run: RunOptions | None = None,
    progress: Progress | None = None,
) -> ScanResult:
    """Score new data with a saved detector, without training.

    Args:
        detector: folder written by `scan`.
        data, labels, output, overwrite, reading, run, progress: as in `scan`.
        rule: keep rule; None for the detector's.
        threshold: None for the detector's.

    Raises:
        UsageError, RunError: as in `scan`.
    """
    began = time.monotonic()
    progress, run = progress or Silent(), run or RunOptions()
    output, home = Path(output), Path(detector)
    check_table_output(output, overwrite)

    from deftclean.checkpoint import findable_name, load_detector, read_card
    from deftclean.runtime import choose_runtime, reproducible
    from deftclean.weights import check_name

    card = read_card(home)
    threshold = card.threshold if threshold is None else threshold
    _check_threshold(threshold)
    reading = replace(reading or ManifestOptions(), known_labels=card.label_names)
    manifest = read_manifest(Path(data), Path(labels) if labels is not None else None, reading)
    for note in manifest.notes:
        progress.say(note)

    runtime = choose_runtime(run.device, run.precision, run.workers)
    model, weights = findable_name(card, home)
    if run.model is not None:
        model, weights = run.model, run.weights
    elif run.weights is not None:
        weights = run.weights
    check_name(model, weights)
    with _work_folder() as folder, reproducible():
        source = _image_source(manifest, reading, folder)
        checks = _check_all(source, len(manifest), runtime, progress)
        rows = _Rows.of(manifest, checks, card.class_names)
        if not len(rows.readable):
            raise _nothing_readable(manifest, checks)
        session = _Session.load(model, replace(run, weights=weights), runtime, progress)
        trained = load_detector(home, card, session.loaded).to(runtime.device)
        pictures = _Pictures(source, session, rows, folder, keep_features=trained.tuner is None)
        zero_shot = pictures.zero_shot(card.class_names, progress, lambda: None)
        _warned(progress, card.warnings)
        warnings = [*card.warnings, *_zero_shot_warnings(zero_shot, rows, progress)]
        warnings += _unknown_label_warnings(manifest, rows, card, progress)
        scores = pictures.score(trained, progress)
        table = _score_table(manifest, checks, rows, scores, zero_shot, card.class_names)
        facts = _metadata(
            replace(card, warnings=warnings), runtime, "score", _agreement(zero_shot, rows)
        )
        made = decide(ScoreTable(table, facts), rule or card.rule, threshold)
        write_scores(made, output, manifest.root, overwrite)
    return ScanResult(
        output, None, made, summarise(made), tuple(warnings), time.monotonic() - began
    )


def select(
    table: str | Path,
    *,
    output: str | Path,
    rule: Rule | None = None,
    threshold: float | None = None,
    overwrite: bool = False,
) -> ScanResult:
    """Decide anew which rows of a score table are kept, without torch.

    Args:
        table: written by `scan` or `score`.
        output: the new table.
        rule: None for the table's.
        threshold: in [0, 1]; None for the table's.
        overwrite: replace an existing output.

    Raises:
        UsageError: options or table are wrong.
        RunError: the output cannot be written.
    """
    began = time.monotonic()
    table, output = Path(table), Path(output)
    check_table_output(output, overwrite)
    if threshold is not None:
        _check_threshold(threshold)
    scores = read_scores(table)
    rule = rule or scores.metadata["rule"]
    threshold = scores.metadata["threshold"] if threshold is None else threshold
    made = decide(scores, rule, threshold)
    write_scores(made, output, image_root(scores.metadata, table), overwrite)
    return ScanResult(output, None, made, summarise(made), (), time.monotonic() - began)


# ---------------------------------------------------------------- checks before the work


def _check_threshold(threshold: float) -> None:
    if not 0 <= threshold <= 1:
        raise UsageError(f"--threshold is {threshold}; a clean probability lies in [0, 1].")


def _check_scan_outputs(output: Path, target: Path, overwrite: bool) -> None:
    from deftclean.checkpoint import check_detector_output

    check_table_output(output, overwrite)
    check_detector_output(target, overwrite)


def _refuse_hopeless(manifest: Manifest, checks: "list[ImageCheck]", rows: "_Rows") -> None:
    if not len(rows.readable):
        raise _nothing_readable(manifest, checks)
    present = np.unique(rows.labels[rows.trainable])
    if len(present) >= 2:
        return
    if not len(present):
        raise InputError(
            f"{manifest.source}: none of the {len(rows.readable):,} readable images has a label.",
            "Put images into class folders, or fill the label column.",
        )
    raise InputError(
        f"{manifest.source}: all readable images have the label "
        f"{manifest.class_names[int(present[0])]!r}.",
        "Wrong labels can be told only among two or more classes.",
    )


def _nothing_readable(manifest: Manifest, checks: "list[ImageCheck]") -> InputError:
    counts: dict[str, int] = {}
    for check in checks:
        counts[check.status] = counts.get(check.status, 0) + 1
    listed = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
    first = next((check.error for check in checks if check.error), "")
    misplaced = counts.get("missing", 0) + counts.get("outside", 0)
    return InputError(
        f"{manifest.source}: none of its {len(manifest):,} images can be read ({listed}). Row 0, "
        f"{manifest.file_names[0].as_py()}: {first}.",
        "File names are relative to the data folder; give the folder that holds them: "
        "deftclean scan data/ labels.csv"
        if misplaced
        else "Are these images? Open one by hand.",
    )


def _say_settings(progress: Progress, resolved: ResolvedConfig, runtime: "Runtime") -> None:
    c = resolved.config
    progress.say(
        f"{c.epochs} epochs ({c.warmup} warm-up), batch {c.batch_size}, lr {c.lr:g}, "
        f"{c.tuner}, rule {c.rule}, on {runtime.device} in {runtime.precision}"
    )
    for note in resolved.notes:
        progress.say(note)


# ---------------------------------------------------------------- images and rows


@contextmanager
def _work_folder() -> Iterator[Path]:
    """A private folder for what only this run needs; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="deftclean-") as name:
        yield Path(name)


def _image_source(manifest: Manifest, reading: ManifestOptions, folder: Path) -> "ImageSource":
    from deftclean.images import FolderImages
    from deftclean.spool import spool_images

    if manifest.images is not None:
        return spool_images(manifest.images, folder / "images")
    names = manifest.file_names.to_numpy(zero_copy_only=False).astype(object)
    names[~manifest.named] = ""
    return FolderImages(manifest.root, names, reading.allow_outside)


def _check_all(
    source: "ImageSource", count: int, runtime: "Runtime", progress: Progress
) -> "list[ImageCheck]":
    from deftclean.images import check_images

    checks: list[ImageCheck] = []
    with progress.stage("Checking images", count) as advance:
        for batch in check_images(source, count, runtime.workers):
            checks += batch
            advance(len(batch), "")
    return checks


@dataclass(frozen=True)
class _Rows:
    """Which rows of the manifest can be used for what.

    Attributes:
        labels: (N,) int64 class; 0 where there is none.
        labelled: (N,) bool, the label is one of the K classes.
        readable: rows whose image can be read, ascending.
        trainable: readable and labelled rows, ascending.
    """

    labels: NDArray[np.int64]
    labelled: NDArray[np.bool_]
    readable: NDArray[np.int64]
    trainable: NDArray[np.int64]

    @classmethod
    def of(
        cls, manifest: Manifest, checks: "list[ImageCheck]", class_names: tuple[str, ...]
    ) -> "_Rows":
        indices = manifest.label_indices(class_names)
        labelled = ~np.ma.getmaskarray(indices)
        fine = np.array([check.status == "ok" for check in checks], dtype=bool)
        return cls(
            indices.filled(0), labelled, np.flatnonzero(fine), np.flatnonzero(fine & labelled)
        )


# ---------------------------------------------------------------- the model at work


@dataclass(frozen=True)
class _Session:
    """A loaded model on a device."""

    model: str
    weights: str | None
    loaded: Any
    runtime: "Runtime"

    @classmethod
    def load(
        cls, model: str, run: RunOptions, runtime: "Runtime", progress: Progress
    ) -> "_Session":
        from deftclean.weights import load_model

        loaded = load_model(model, run.weights, run.offline, progress.say)
        loaded.encoder.to(runtime.device)
        return cls(model, run.weights, loaded, runtime)

    def detector_for(
        self, class_names: tuple[str, ...], config: DetectorConfig
    ) -> "DualPromptDetector":
        from deftclean.checkpoint import build_detector

        return build_detector(self.loaded.encoder, class_names, config).to(self.runtime.device)

    def card(
        self,
        manifest: Manifest,
        config: DetectorConfig,
        threshold: float,
        epochs: "list[EpochMetrics]",
        warnings: list[str],
        folder: Path,
    ) -> "DetectorCard":
        from deftclean.checkpoint import FORMAT_VERSION, DetectorCard, portable_name

        model, weights = portable_name(self.model, self.weights, folder)
        return DetectorCard(
            format_version=FORMAT_VERSION,
            tool_version=__version__,
            model=model,
            weights=weights,
            weights_sha256=self.loaded.sha256,
            label_names=manifest.label_names,
            config=config,
            threshold=threshold,
            epochs=[metrics.as_dict() for metrics in epochs],
            warnings=warnings,
        )


class _Pictures:
    """The readable pictures of a run, as features.

    Without a tuner features never change: the zero-shot pass keeps them in a file, and training
    and scoring read them from there.
    """

    def __init__(
        self,
        source: "ImageSource",
        session: _Session,
        rows: _Rows,
        folder: Path,
        keep_features: bool,
    ) -> None:
        import torch

        self.source = source
        self.session = session
        self.runtime = session.runtime
        self.rows = rows
        self.labels = torch.from_numpy(rows.labels)
        self.preprocess = session.loaded.encoder.preprocess
        self._folder = folder
        self._keep = keep_features
        self._embeddings: Embeddings | None = None

    def in_order(self, encode: "Callable[[torch.Tensor], torch.Tensor]") -> "Features":
        """All readable rows, by the scoring preprocessing."""
        from deftclean.feeds import pictures_in_order
        from deftclean.images import scoring_pixels

        return pictures_in_order(
            self.source,
            scoring_pixels(self.preprocess),
            self.rows.readable,
            _SCORING_BATCH,
            encode,
            self.runtime,
        )

    def zero_shot(
        self, class_names: tuple[str, ...], progress: Progress, on_batch: Callable[[], None]
    ) -> "ZeroShotScores":
        """What the untrained model says of every readable row."""
        from deftclean.scoring import zero_shot_rows

        encoder = self.session.loaded.encoder
        features = self.in_order(encoder.image)
        if self._keep:
            features = self._stored(features)
        count = len(self.rows.readable)
        with progress.stage("Embedding (zero-shot)", count) as advance:
            counted = _counted(_watched(features, on_batch), advance)
            return zero_shot_rows(encoder, class_names, counted, self.labels, self.runtime)

    def epochs(
        self, detector: "DualPromptDetector", config: DetectorConfig
    ) -> "Callable[[int], Features]":
        """Training batches."""
        from deftclean.feeds import EmbeddingEpochs, EpochBatches, PictureEpochs
        from deftclean.images import training_pixels

        batches = EpochBatches(self.rows.trainable, config.batch_size, config.seed)
        if self._embeddings is not None:
            return EmbeddingEpochs(self._embeddings, batches, self.runtime)
        pixels_of = training_pixels(self.preprocess, config.crop, config.flip)
        return PictureEpochs(self.source, pixels_of, batches, detector.image_features, self.runtime)

    def probe(self, seed: int) -> "torch.Tensor":
        """A few trainable pictures, always the same ones, as uint8 pixels."""
        from deftclean.images import Pictures, View, scoring_pixels
        from deftclean.runtime import stream

        count = min(_PROBE, len(self.rows.trainable))
        chosen = stream(seed, "probe").choice(self.rows.trainable, size=count, replace=False)
        pictures = Pictures(self.source, scoring_pixels(self.preprocess))
        return pictures.__getitems__([View(int(row)) for row in chosen]).pixels

    def score(self, detector: "DualPromptDetector", progress: Progress) -> "DetectorScores":
        """Every readable row scored once, in order."""
        from deftclean.scoring import score_rows

        features = (
            self.in_order(detector.image_features)
            if self._embeddings is None
            else self._embeddings.in_order(_SCORING_BATCH, self.runtime)
        )
        with progress.stage("Scoring", len(self.rows.readable)) as advance:
            return score_rows(detector, _counted(features, advance), self.labels, self.runtime)

    def _stored(self, features: "Features") -> "Features":
        from deftclean.feeds import Embeddings

        for rows, image in features:
            if self._embeddings is None:
                path = self._folder / "embeddings"
                self._embeddings = Embeddings(path, self.rows.readable, image.shape[1])
            self._embeddings.put(rows.numpy(), image)
            yield rows, image


def _counted(features: "Features", advance: Callable[[int, str], None]) -> "Features":
    for rows, image in features:
        yield rows, image
        advance(len(rows), "")


def _watched(features: "Features", on_batch: Callable[[], None]) -> "Features":
    for rows, image in features:
        yield rows, image
        on_batch()


def _train(
    detector: "DualPromptDetector",
    pictures: _Pictures,
    resolved: ResolvedConfig,
    progress: Progress,
) -> "list[EpochMetrics]":
    from deftclean.collapse import CollapseWatch
    from deftclean.training import train_detector

    config, runtime = resolved.config, pictures.runtime
    watch = CollapseWatch(detector, pictures.probe(config.seed), runtime)
    steps = math.ceil(len(pictures.rows.trainable) / config.batch_size)
    epochs: list[EpochMetrics] = []
    with progress.stage("Training", steps * config.epochs) as advance:
        for metrics in train_detector(
            detector,
            pictures.epochs(detector, config),
            pictures.labels,
            watch,
            config,
            resolved.warmup_is_fixed,
            runtime,
            _StepReporter(advance),
        ):
            epochs.append(metrics)
            progress.say(_epoch_line(metrics, config.epochs))
    return epochs


class _CostOfRun:
    """Says, after the first batches of the first pass, what the whole run will take."""

    _MEASURED = (2, 6)  # batches between which the pace is taken: the first ones are slow
    _STEP = 3  # a training step in forward passes

    def __init__(
        self, rows: _Rows, config: DetectorConfig, runtime: "Runtime", progress: Progress
    ) -> None:
        scored = math.ceil(len(rows.readable) / _SCORING_BATCH)
        trained = config.epochs * len(rows.trainable) / _SCORING_BATCH
        # Without a tuner the first pass is the only one that runs the image tower.
        self._passes = scored if config.tuner == "none" else 2 * scored + self._STEP * trained
        self._on_cpu = runtime.device.type == "cpu"
        self._progress = progress
        self._done = 0
        self._started = 0.0

    def __call__(self) -> None:
        self._done += 1
        first, last = self._MEASURED
        if self._done == first:
            self._started = time.monotonic()
        if self._done == last:
            self._say((time.monotonic() - self._started) / (last - first))

    def _say(self, batch: float) -> None:
        left = (self._passes - self._done) * batch
        self._progress.say(f"this run will take {_duration(left)} on this machine")
        if left > _HOURS:
            advice = "a GPU" if self._on_cpu else "a larger GPU"
            self._progress.warn(
                f"{_duration(left)} is long. Faster: {advice}, --tuner none (trains on features "
                "computed once), a smaller model (--model ViT-B-32), or the built-in --model nano "
                "for small everyday pictures"
            )


class _StepReporter:
    """Moves the bar and reads the loss now and then."""

    def __init__(self, advance: Callable[[int, str], None]) -> None:
        self._advance = advance
        self._shown = 0.0

    def __call__(self, report: "StepReport") -> None:
        now, text = time.monotonic(), ""
        if now - self._shown > _SHOW_EVERY:
            self._shown = now
            flagged = 1 - float(report.clean.float().mean())
            text = f"loss {float(report.loss):.3f}, flagged {flagged:.0%}"
        self._advance(1, text)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"about {seconds:.0f} s"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} hours"


def _epoch_line(metrics: "EpochMetrics", epochs: int) -> str:
    more = " · separation is low, warm-up goes on" if metrics.prolonged else ""
    kind = "warm-up" if metrics.warmup else "clean rows"
    return (
        f"epoch {metrics.epoch}/{epochs} ({kind}): loss {metrics.loss:.3f}, flagged "
        f"{metrics.noise_rate:.1%}, separation {metrics.separation:.3f}{more}"
    )


# ---------------------------------------------------------------- warnings


def _zero_shot_agreement(zero_shot: "ZeroShotScores", rows: _Rows) -> tuple[float, float]:
    """Share of labelled rows where zero-shot says the given label, and Cohen's kappa."""
    labelled = rows.labelled[zero_shot.rows]
    given, said = rows.labels[zero_shot.rows][labelled], zero_shot.predicted[labelled]
    if not len(given):
        return float("nan"), float("nan")
    size = int(max(given.max(), said.max())) + 1
    shares = np.bincount(given, minlength=size) * np.bincount(said, minlength=size)
    chance = float(shares.sum()) / len(given) ** 2
    agree = float((given == said).mean())
    return agree, (agree - chance) / (1 - chance) if chance < 1 else 0.0


def _agreement(zero_shot: "ZeroShotScores", rows: _Rows) -> float | None:
    agree, _ = _zero_shot_agreement(zero_shot, rows)
    return None if math.isnan(agree) else agree


_MIN_KAPPA = 0.1


def _zero_shot_warnings(zero_shot: "ZeroShotScores", rows: _Rows, progress: Progress) -> list[str]:
    agree, kappa = _zero_shot_agreement(zero_shot, rows)
    if math.isnan(agree) or kappa >= _MIN_KAPPA:
        return []
    return _warned(
        progress,
        [
            f"zero-shot agrees with {agree:.1%} of the given labels, hardly above chance: the "
            "model does not know these pictures, or the class names are not words it knows; "
            "give plain names with --class-names FILE or another --model"
        ],
    )


def _training_warnings(
    epochs: "list[EpochMetrics]",
    zero_shot: "ZeroShotScores",
    rows: _Rows,
    manifest: Manifest,
    progress: Progress,
) -> list[str]:
    from deftclean.training import MIN_SEPARATION

    warnings = []
    # After warm-up only rows judged clean are fitted, and the loss over all rows says little.
    fitted = [metrics for metrics in epochs if metrics.warmup] or epochs
    loss, chance = fitted[-1].cross_entropy, math.log(len(manifest.class_names))
    usual = -float(zero_shot.log_prob[rows.labelled[zero_shot.rows]].mean())
    if loss > 0.95 * chance:
        warnings.append(
            f"the loss is {loss:.2f} after warm-up, near or above chance ({chance:.2f} = ln K): "
            "the labels seem to have little to do with the pictures"
        )
    elif loss > usual:
        warnings.append(
            f"the loss after warm-up ({loss:.2f}) is above zero-shot's own ({usual:.2f}): training "
            "did not help; try a lower --lr or more --warmup epochs"
        )
    if epochs[-1].separation < MIN_SEPARATION:
        warnings.append(
            f"separation ended at {epochs[-1].separation:.2f} (0.5 is chance): the detector cannot "
            "tell given labels from random ones; give more --warmup and --epochs"
        )
    return _warned(progress, warnings)


def _unknown_label_warnings(
    manifest: Manifest, rows: _Rows, card: "DetectorCard", progress: Progress
) -> list[str]:
    labels = manifest.given_labels.to_pylist()
    unknown = sorted(
        {
            label
            for label, known in zip(labels, rows.labelled.tolist(), strict=True)
            if label is not None and not known
        }
    )
    if not unknown:
        return []
    listed = ", ".join(map(repr, unknown[:5])) + (" and more" if len(unknown) > 5 else "")
    return _warned(
        progress,
        [
            f"{len(unknown)} label(s) are none of the detector's {len(card.class_names)} classes: "
            f"{listed}; their rows have status unknown_label"
        ],
    )


def _warned(progress: Progress, warnings: list[str]) -> list[str]:
    for text in warnings:
        progress.warn(text)
    return warnings


# ---------------------------------------------------------------- the table


def _score_table(
    manifest: Manifest,
    checks: "list[ImageCheck]",
    rows: _Rows,
    scores: "DetectorScores",
    zero_shot: "ZeroShotScores",
    class_names: tuple[str, ...],
) -> pa.Table:
    """Input columns, then score columns; N rows in input order. `keep` is decided later."""
    count = len(manifest)
    names = pa.array(class_names, pa.string())
    unlabelled = manifest.given_labels.is_null().to_numpy(zero_copy_only=False)
    readable = np.zeros(count, dtype=bool)
    readable[rows.readable] = True
    status = np.array([check.status for check in checks], dtype=object)
    status[readable & unlabelled] = "unlabeled"
    status[readable & ~unlabelled & ~rows.labelled] = "unknown_label"

    def spread(values: Any, where: Any) -> pa.Array:
        """Values of the scored rows at their places, null elsewhere and where `where` is not."""
        full = np.zeros(count, dtype=np.float32)
        full[scores.rows] = values
        mask = np.ones(count, dtype=bool)
        mask[scores.rows] = ~where[scores.rows]
        return pa.array(full, pa.float32(), mask=mask)

    def named(values: Any) -> pa.Array:
        full = np.zeros(count, dtype=np.int64)
        full[scores.rows] = values
        return names.take(pa.array(full, pa.int64(), mask=~readable))

    columns = {
        "row": pa.array(np.arange(count), pa.int64()),
        "file_name": manifest.file_names,
        "given_label": manifest.given_labels,
        "clean_prob": spread(scores.clean_prob, rows.labelled),
        "clean_top_label": named(scores.clean_top),
        "keep": pa.array(np.zeros(count, dtype=bool)),
        "predicted_label": named(scores.predicted),
        "predicted_prob": spread(scores.predicted_prob, readable),
        "zero_shot_prob": spread(zero_shot.prob, rows.labelled),
        "status": pa.array(status.tolist(), pa.string()),
        "error": pa.array([check.error for check in checks], pa.string()),
        "content_sha256": pa.array([check.sha256 for check in checks], pa.string()),
    }
    given = manifest.columns
    schema = pa.schema([*given.schema, *SCORE_SCHEMA], metadata=given.schema.metadata)
    arrays = [*given.columns, *(columns[name] for name in SCORE_SCHEMA.names)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _metadata(
    card: "DetectorCard",
    runtime: "Runtime",
    command: Literal["scan", "score"],
    agreement: float | None,
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "tool_version": __version__,
        "command": command,
        "strategy": "deft",
        "model": card.model,
        "weights": card.weights,
        "weights_sha256": card.weights_sha256,
        "class_names": list(card.class_names),
        "config": card.config.as_dict(),
        "seed": card.config.seed,
        "device": runtime.device.type,
        "precision": runtime.precision,
        "separation": card.epochs[-1]["separation"] if card.epochs else None,
        "zero_shot_agreement": agreement,
        "warnings": list(card.warnings),
    }


__all__ = [
    "DEFAULT_MODEL",
    "DEFAULT_OUTPUT",
    "PRESETS",
    "RunError",
    "RunOptions",
    "ScanResult",
    "detector_folder",
    "scan",
    "score",
    "select",
]
