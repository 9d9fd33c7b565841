"""The command `adapt`, whole. A typed result out; nothing is printed."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deftclean.adaptation.run_card import check_adapted_output
from deftclean.adaptation.training_rows import LabelChoice, TrainingRows, training_rows
from deftclean.core.errors import InputError, UsageError
from deftclean.core.outputs import check_checkpoint_output, checkpoint_folder
from deftclean.core.progress import Progress, Silent
from deftclean.core.run import RunOptions
from deftclean.data.manifest import ManifestOptions, read_manifest
from deftclean.settings.adaptation import AdaptConfig, Method, resolve_adaptation, with_all_steps
from deftclean.settings.detector import Labels
from deftclean.table.scores import ScoreTable, read_scores

if TYPE_CHECKING:
    from deftclean.adaptation.run_folder import AdaptResult
    from deftclean.adaptation.sets import Exam, Lessons
    from deftclean.adaptation.trainer import Trained
    from deftclean.adaptation.verified import Verified
    from deftclean.core.runtime import Runtime
    from deftclean.images.cache import Cache, open_run_cache
    from deftclean.images.resizing import Preparation
    from deftclean.images.usable_rows import UsableRows
    from deftclean.models.backbones import BackboneName
    from deftclean.training.picture_sets import PictureSet

DEFAULT_BACKBONE = "clip-vit-b16"
DEFAULT_HOLDOUT = 0.1
DEFAULT_ADAPTED = Path("adapted")


@dataclass(frozen=True)
class AdaptOptions:
    """What an adaptation learns from, and what it is tested on.

    Attributes:
        labels: `given`, `final` or `suggested`; None for `final` where the table has such a column.
        relabel_above: with `suggested`, the predicted_prob above which a flagged row takes the
            suggested label, in [0, 1].
        weighted: weight the loss by clean_prob.
        everything: ignore the cleaning.
        data: image folder, or the table that holds the images; None for the one of the scan.
        allow_outside: follow links and names that leave the data folder.
        test: labels that are believed: a folder with class sub-folders, or a table.
        test_data: image folder of `test`, where it is a table that does not stand in it.
        holdout: share of the rows that is tested on and not trained on, in [0, 1); None for a
            tenth where there is no `test`.
        compare: train the same on the uncleaned rows too.
        detector: of method `prompts`; None for the one beside the table.
    """

    labels: Labels | None = None
    relabel_above: float | None = None
    weighted: bool = False
    everything: bool = False
    data: str | Path | None = None
    allow_outside: bool = False
    test: str | Path | None = None
    test_data: str | Path | None = None
    holdout: float | None = None
    compare: bool = False
    detector: str | Path | None = None


def adapt(
    table: str | Path,
    *,
    backbone: str = DEFAULT_BACKBONE,
    weights: str | None = None,
    from_scratch: bool = False,
    method: Method = "fft",
    output: str | Path = DEFAULT_ADAPTED,
    overwrite: bool = False,
    resume: bool = False,
    settings: Mapping[str, Any] | None = None,
    options: AdaptOptions | None = None,
    run: RunOptions | None = None,
    progress: Progress | None = None,
) -> "AdaptResult":
    """Train a classifier on the kept rows of a score table, test it, and write it.

    Args:
        table: written by `scan`, `score` or `select`.
        backbone: `resnet50`, `vit-b16`, `convnext-t`, `mae-vit-b`, `clip-vit-b16`, `nano`, a timm
            name, or a CLIP as `scan` names it.
        weights: file or folder to begin with; None for the backbone's own by name.
        from_scratch: begin with random weights.
        method: see `deftclean.settings.adaptation.AdaptConfig`.
        output: the run folder.
        overwrite: replace an existing one.
        resume: go on where a stopped run of the same data and settings left off, if one did.
        settings: fields of `AdaptConfig` that differ from the recipe.
        options: labels, test rows and the like.
        run: device, workers, cache; the model of a scan is not used.
        progress: told what happens; nobody by default.

    Raises:
        UsageError: options or input are wrong; nothing was written.
        RunError: weights cannot be had, training diverged, or the disk is full.
    """
    began = time.monotonic()
    progress, run, options = progress or Silent(), run or RunOptions(), options or AdaptOptions()
    table, output = Path(table), Path(output)
    config = resolve_adaptation(backbone, method, settings or {})
    _check_options(options, config)
    scores = read_scores(table)
    choice = LabelChoice(
        options.labels, options.relabel_above or 0.0, options.weighted, options.everything
    )
    wanted = training_rows(scores, table, choice)
    every = training_rows(scores, table, _uncleaned(choice))
    recipe, config = config, _config_of_rows(config, settings or {}, wanted, every, progress)

    check_adapted_output(output, overwrite)
    check_checkpoint_output(checkpoint_folder(output))

    from deftclean.adaptation.run_folder import AdaptResult, save_run
    from deftclean.adaptation.student import backbone_of_detector
    from deftclean.adaptation.trainer import Bench
    from deftclean.core.runtime import choose_runtime, reproducible
    from deftclean.images.resizing import Preparation
    from deftclean.images.row_images import work_folder
    from deftclean.models.backbones import find_backbone

    if method == "prompts":
        detector = Path(options.detector or table.with_suffix(".detector"))
        chosen = backbone_of_detector(detector, wanted.class_names)
    else:
        detector = None
        chosen = find_backbone(backbone, weights, from_scratch, config.image_size)
        _check_method(chosen, config)
    runtime = choose_runtime(run.device, run.precision, run.workers)
    preprocess = chosen.preprocess(run.offline, progress.say)
    preparation = Preparation.of(preprocess, config.decode, config.augmentation != "none")
    cache = open_run_cache(run, progress)
    with work_folder() as folder, reproducible():
        desk = _Desk(scores, table, options, preparation, cache, runtime, folder, progress)
        lessons, *uncleaned = desk.lessons(wanted, *([every] if options.compare else []))
        exam, held_out = desk.exam(wanted.class_names, lessons, config.seed)
        if exam is not None and held_out:
            lessons, *uncleaned = (each.without(exam.rows) for each in (lessons, *uncleaned))
        bench = Bench(
            chosen, detector, wanted.class_names, config,
            _epochs_follow_rows(config, settings or {}), preprocess, runtime, run.offline, folder,
            progress,
        )  # fmt: skip
        cleaned = bench.train("Training", lessons, exam, checkpoint_folder(output), resume)
        compared = [
            replace(bench, config=recipe).train(
                "Training on all rows", each, exam, _uncleaned_folder(output), resume
            )
            for each in uncleaned
        ]
        desk.warn_of_left_out(cleaned)
        result = AdaptResult(
            output,
            cleaned.config,
            wanted.class_names,
            cleaned,
            compared[0] if compared else None,
            wanted.counts,
            len(exam.rows) if exam is not None else 0,
            held_out,
            tuple(desk.warnings),
            time.monotonic() - began,
        )
        save_run(result, bench, _about(scores, table, wanted, choice), overwrite)
    for kept in (checkpoint_folder(output), _uncleaned_folder(output)):
        shutil.rmtree(kept, ignore_errors=True)
    if cache is not None:
        cache.say(progress)
    return result


def _about(
    scores: ScoreTable, table: Path, wanted: TrainingRows, choice: LabelChoice
) -> dict[str, Any]:
    facts = {name: scores.metadata.get(name) for name in ("strategy", "rule", "threshold")}
    return {
        "table": table.name,
        "labels": wanted.source,
        "weighted": choice.weighted,
        "noise_rate": scores.metadata.get("noise_rate"),
        **facts,
    }


def _config_of_rows(
    recipe: AdaptConfig,
    given: Mapping[str, Any],
    wanted: TrainingRows,
    every: TrainingRows,
    progress: Progress,
) -> AdaptConfig:
    """The recipe for the rows that are left; epochs that the user gives stand.

    TURN leaves rows out by itself, and counts its epochs when it has: not twice.
    """
    if not _epochs_follow_rows(recipe, given) or recipe.method == "turn":
        return recipe
    config = with_all_steps(recipe, len(wanted.chosen), len(every.chosen))
    if config.epochs > recipe.epochs:
        progress.say(
            f"{config.epochs} epochs of {len(wanted.chosen):,} rows, about as many steps as "
            f"{recipe.epochs} epochs of all {len(every.chosen):,} (--epochs)"
        )
    return config


def _epochs_follow_rows(recipe: AdaptConfig, given: Mapping[str, Any]) -> bool:
    return recipe.method != "prompts" and given.get("epochs") is None


def _uncleaned(choice: LabelChoice) -> LabelChoice:
    labels = None if choice.labels == "suggested" else choice.labels
    return replace(choice, labels=labels, weighted=False, everything=True)


def _uncleaned_folder(output: Path) -> Path:
    return checkpoint_folder(output.with_name(f"{output.name}-uncleaned"))


def _check_method(chosen: "BackboneName", config: AdaptConfig) -> None:
    if config.method not in ("peft", "vlpt"):
        return
    if not chosen.clip:
        raise UsageError(
            f"--method {config.method} cannot go with --backbone {chosen.name}: it puts a tuner "
            "into a CLIP, and this backbone is none.",
            "Use --method fft or linear, or a CLIP backbone: clip-vit-b16, nano.",
        )
    if config.image_size is not None:
        raise UsageError(
            f"--image-size cannot go with --method {config.method}: a CLIP keeps its input size."
        )


@dataclass
class _Desk:
    """The rows of one command, read and checked."""

    scores: ScoreTable
    table: Path
    options: AdaptOptions
    preparation: "Preparation"
    cache: "Cache | None"
    runtime: "Runtime"
    folder: Path
    progress: Progress
    warnings: list[str] = field(default_factory=list)

    def lessons(self, *wanted: TrainingRows) -> "list[Lessons]":
        """Rows whose pictures are still what they were; every picture is looked at once."""
        from deftclean.adaptation.sets import Lessons
        from deftclean.adaptation.verified import verified_rows
        from deftclean.images.first_pass import check_images
        from deftclean.images.table_images import images_of_table

        options = self.options
        data = Path(options.data) if options.data is not None else None
        images = images_of_table(self.scores, self.table, data, options.allow_outside, self.folder)
        checks = check_images(
            images.source, self.preparation, self.cache, self.runtime, self.progress
        )
        found: list[Lessons] = []
        for rows in wanted:
            verified = verified_rows(self.scores, images, checks, rows)
            if verified.problems and not found:
                self._warn(_problems(verified))
            found.append(Lessons(self._set(verified.rows), verified.rows.trainable, rows.weights))
        return found

    def exam(
        self, class_names: tuple[str, ...], lessons: "Lessons", seed: int
    ) -> "tuple[Exam | None, bool]":
        """Rows to test on, and whether they are rows of the table itself."""
        from deftclean.adaptation.evaluation import stratified_holdout
        from deftclean.adaptation.sets import Exam

        if self.options.test is not None:
            exam = self._test(class_names, Path(self.options.test))
            self._warn_of_known(exam, lessons)
            return exam, False
        share = DEFAULT_HOLDOUT if self.options.holdout is None else self.options.holdout
        labels = lessons.pictures.rows.labels[lessons.rows]
        held = lessons.rows[stratified_holdout(labels, share, seed)]
        return (Exam(lessons.pictures, held), True) if len(held) else (None, False)

    def _test(self, class_names: tuple[str, ...], test: Path) -> "Exam":
        from deftclean.adaptation.sets import Exam
        from deftclean.images.first_pass import check_images
        from deftclean.images.row_images import row_images
        from deftclean.images.usable_rows import UsableRows, nothing_readable

        reading = ManifestOptions(known_labels={name: name for name in class_names})
        folder = self.options.test_data
        data, labels = (Path(folder), test) if folder is not None else (test, None)
        manifest = read_manifest(data, labels, reading)
        own = self.folder / "test"
        own.mkdir()
        images = row_images(manifest, reading, own)
        checks = check_images(
            images.source, self.preparation, self.cache, self.runtime, self.progress
        )
        rows = UsableRows.of(manifest, images, checks, class_names)
        if not len(rows.readable):
            raise nothing_readable(manifest, images, checks)
        if not len(rows.trainable):
            raise InputError(
                f"{test}: none of its {len(manifest):,} labels is one of the "
                f"{len(class_names):,} classes that are trained.",
            )
        if left := len(manifest) - len(rows.trainable):
            self._warn(
                f"{left:,} of {len(manifest):,} test rows have no readable picture or a label that "
                "is none of the classes; they are not tested on"
            )
        return Exam(self._set(rows), rows.trainable)

    def _warn_of_known(self, exam: "Exam", lessons: "Lessons") -> None:
        learned = lessons.pictures.rows
        shown = learned.distinct.digests[np.unique(learned.pictures[lessons.rows])]
        tested = exam.pictures.rows.distinct.digests[exam.shown]
        if known := int(np.isin(_keys(tested), _keys(shown)).sum()):
            self._warn(
                f"{known:,} of {len(tested):,} test pictures are also trained on: the accuracy "
                "will be too high"
            )

    def warn_of_left_out(self, trained: "Trained") -> None:
        """Classes that a method's own selection has left without a row."""
        if names := trained.left_out:
            listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            self._warn(
                "TURN selected no row of some classes; what is known of them comes from its linear "
                f"probe alone: {len(names):,}: {listed}"
            )

    def _set(self, rows: "UsableRows") -> "PictureSet":
        from deftclean.training.picture_sets import PictureSet

        return PictureSet(rows, self.preparation, self.cache, self.runtime)

    def _warn(self, text: str) -> None:
        self.warnings.append(text)
        self.progress.warn(text)


def _keys(digests: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    return np.ascontiguousarray(digests).view("S32").ravel()


def _problems(verified: "Verified") -> str:
    counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(verified.problems.items()))
    examples = ", ".join(f"{name} ({kind})" for kind, name in verified.examples)
    return f"not trained on, for what became of their pictures since the scan: {counts}: {examples}"


# ---------------------------------------------------------------- checks before the work


def _check_options(options: AdaptOptions, config: AdaptConfig) -> None:
    problems = []
    if options.relabel_above is not None and options.labels != "suggested":
        problems.append("--relabel-above goes with --labels suggested")
    if options.labels == "suggested" and options.relabel_above is None:
        problems.append("--labels suggested needs --relabel-above P")
    for name in ("relabel_above", "holdout"):
        value = getattr(options, name)
        if value is not None and not (0 <= value < 1 or (name == "relabel_above" and value == 1)):
            problems.append(f"--{name.replace('_', '-')} is {value}; it must be in [0, 1)")
    if options.test is not None and options.holdout is not None:
        problems.append("--test and --holdout exclude each other")
    if options.test_data is not None and options.test is None:
        problems.append("--test-data goes with --test")
    if options.compare and options.everything:
        problems.append("--compare and --all exclude each other: both would train on all rows")
    if options.compare and config.method == "prompts":
        problems.append("--compare cannot go with --method prompts, which trains nothing")
    if options.detector is not None and config.method != "prompts":
        problems.append("--detector goes with --method prompts")
    if problems:
        raise UsageError("; ".join(problems) + ".")
