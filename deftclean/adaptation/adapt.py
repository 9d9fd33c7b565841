"""The command `adapt`, whole. A typed result out; nothing is printed."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deftclean.adaptation.options import AdaptOptions
from deftclean.adaptation.run_card import CARD, check_adapted_output
from deftclean.adaptation.training_rows import LabelChoice, TrainingRows, training_rows
from deftclean.adaptation.trusted_rows import TrustedRows, read_trusted_rows
from deftclean.core.errors import UsageError
from deftclean.core.outputs import check_checkpoint_output, checkpoint_folder, refuse_finished
from deftclean.core.progress import Progress, Silent
from deftclean.core.run import RunOptions
from deftclean.settings.adaptation import AdaptConfig, Method, resolve_adaptation, with_all_steps
from deftclean.stores.door import opens_urls
from deftclean.table.scores import ScoreTable, read_scores

if TYPE_CHECKING:
    from deftclean.adaptation.data_sets import DataSets
    from deftclean.adaptation.run_folder import AdaptResult
    from deftclean.adaptation.sets import TestSet
    from deftclean.adaptation.trainer import Trainer
    from deftclean.models.backbones import BackboneName

DEFAULT_BACKBONE = "clip-vit-b16"
DEFAULT_HOLDOUT = 0.1
DEFAULT_ADAPTED = Path("adapted")


@opens_urls("table", "weights", "options", "run", output="output")
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
    table, output, given = Path(table), Path(output), settings or {}
    recipe = resolve_adaptation(backbone, method, given)
    _check_options(options, recipe)
    inputs = _inputs(table, options, recipe, given)
    if inputs.config.epochs > recipe.epochs:
        progress.say(inputs.about_epochs())
    parts = (checkpoint_folder(output), _uncleaned_folder(output))
    if resume and not overwrite:
        anew = "Give --overwrite to train anew."
        run.ranks.of_first(lambda: refuse_finished(output, output / CARD, parts, anew))
    run.ranks.of_first(lambda: _check_outputs(output, overwrite, resume, parts))

    from deftclean.adaptation.data_sets import DataSets
    from deftclean.adaptation.run_folder import save_run
    from deftclean.adaptation.trainer import Trainer
    from deftclean.core.runtime import choose_runtime
    from deftclean.images.prepared import opened_reader
    from deftclean.images.resizing import Preparation

    config, names = inputs.config, inputs.wanted.class_names
    chosen, detector = _backbone(inputs, options, backbone, weights, from_scratch)
    runtime = choose_runtime(run.device, run.precision, run.workers, run.ranks)
    preprocess = chosen.preprocess(run.offline, progress.say)
    preparation = Preparation.of(preprocess, config.decode, config.augmentation != "none")
    with opened_reader(preparation, runtime, run, progress) as reader:
        trainer = Trainer(
            chosen, detector, names, config, inputs.all_steps, preprocess, runtime, run.offline,
            reader.folder, progress,
        )  # fmt: skip
        data_sets = DataSets(inputs.scores, table, names, reader)
        result = _adapted(inputs, options, data_sets, trainer, output, resume)
        result = replace(result, seconds=time.monotonic() - began)
        if run.ranks.first:
            save_run(result, trainer, inputs.about(), overwrite, parts)
        reader.say_cache()
    return result


@dataclass(frozen=True)
class _Inputs:
    """What one command is to learn from, read and resolved.

    Attributes:
        scores: the table.
        table: its file.
        choice: of labels.
        wanted: chosen rows.
        every: rows of the uncleaned table.
        recipe: settings for all rows.
        config: settings for the chosen rows.
        test: what is tested on; None to hold rows out.
        all_steps: more epochs make up for rows that are left out.
    """

    scores: ScoreTable
    table: Path
    choice: LabelChoice
    wanted: TrainingRows
    every: TrainingRows
    recipe: AdaptConfig
    config: AdaptConfig
    test: TrustedRows | None
    all_steps: bool

    def about_epochs(self) -> str:
        """That epochs were added, for people."""
        return (
            f"{self.config.epochs} epochs of {len(self.wanted.chosen):,} rows, about as many steps "
            f"as {self.recipe.epochs} epochs of all {len(self.every.chosen):,} (--epochs)"
        )

    def about(self) -> dict[str, Any]:
        """What is trained on, in plain values."""
        known = self.scores.metadata
        return {
            "table": self.table.name,
            "labels": self.wanted.source,
            "weighted": self.choice.weighted,
            **{name: known.get(name) for name in ("noise_rate", "strategy", "rule", "threshold")},
        }


def _inputs(
    table: Path, options: AdaptOptions, recipe: AdaptConfig, given: Mapping[str, Any]
) -> _Inputs:
    scores = read_scores(table)
    choice = LabelChoice(
        options.labels, options.relabel_above or 0.0, options.weighted, options.everything
    )
    wanted = training_rows(scores, table, choice)
    every = training_rows(scores, table, _uncleaned(choice))
    # Epochs that the user gives stand. TURN leaves rows out by itself, and counts its epochs when
    # it has: not twice.
    all_steps = recipe.method != "prompts" and given.get("epochs") is None
    config = recipe
    if all_steps and recipe.method != "turn":
        config = with_all_steps(recipe, len(wanted.chosen), len(every.chosen))
    test = None
    if options.test is not None:
        test = read_trusted_rows(options.test, options.test_data, wanted.class_names)
    return _Inputs(scores, table, choice, wanted, every, recipe, config, test, all_steps)


def _uncleaned(choice: LabelChoice) -> LabelChoice:
    labels = None if choice.labels == "suggested" else choice.labels
    return replace(choice, labels=labels, weighted=False, everything=True)


def _uncleaned_folder(output: Path) -> Path:
    return checkpoint_folder(output.with_name(f"{output.name}-uncleaned"))


def _backbone(
    inputs: _Inputs, options: AdaptOptions, name: str, weights: str | None, from_scratch: bool
) -> "tuple[BackboneName, Path | None]":
    """The backbone, and the detector whose prompts classify, for `prompts`."""
    from deftclean.adaptation.learner import backbone_of_detector
    from deftclean.models.backbones import find_backbone

    if inputs.config.method == "prompts":
        detector = Path(options.detector or inputs.table.with_suffix(".detector"))
        return backbone_of_detector(detector, inputs.wanted.class_names), detector
    chosen = find_backbone(name, weights, from_scratch, inputs.config.image_size)
    _check_method(chosen, inputs.config)
    return chosen, None


def _adapted(
    inputs: _Inputs,
    options: AdaptOptions,
    data_sets: "DataSets",
    trainer: "Trainer",
    output: Path,
    resume: bool,
) -> "AdaptResult":
    """Train on the chosen rows and, to compare, on all; what came of it, but for the time."""
    from deftclean.adaptation.run_folder import AdaptResult, TestedOn
    from deftclean.adaptation.trainer import Plan

    tables = [inputs.wanted, *([inputs.every] if options.compare else [])]
    data = Path(options.data) if options.data is not None else None
    cleaned, *uncleaned = data_sets.train_sets(tables, data, options.allow_outside)
    data_sets.warn_of_empty_classes(cleaned)
    if inputs.test is not None:
        tested_on: TestedOn = "test rows"
        test_set: TestSet | None = data_sets.test_set(inputs.test, cleaned)
    else:
        # Rows that the cleaning chose would favour the training that it chose them for.
        tested_on = "all rows" if options.compare or options.everything else "chosen rows"
        share = DEFAULT_HOLDOUT if options.holdout is None else options.holdout
        whole = uncleaned[0] if uncleaned else cleaned
        test_set = data_sets.held_out(whole, share, inputs.config.seed)
        if test_set is not None:
            cleaned, *uncleaned = (each.without(test_set.rows) for each in (cleaned, *uncleaned))
    trained = trainer.train(Plan("Training", cleaned, test_set, checkpoint_folder(output), resume))
    compared = [
        replace(trainer, config=inputs.recipe).train(
            Plan("Training on all rows", each, test_set, _uncleaned_folder(output), resume)
        )
        for each in uncleaned
    ]
    if trained.left_out:
        data_sets.warn(_about_left_out(trained.left_out))
    return AdaptResult(
        output,
        trained.config,
        trainer.class_names,
        trained,
        compared[0] if compared else None,
        inputs.wanted.counts,
        len(test_set.rows) if test_set is not None else 0,
        tested_on if test_set is not None else None,
        tuple(data_sets.warnings),
        seconds=0.0,
    )


def _about_left_out(names: tuple[str, ...]) -> str:
    """Classes that a method's own selection has left without a row."""
    listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return (
        "TURN selected no row of some classes; what is known of them comes from its linear "
        f"probe alone: {len(names):,}: {listed}"
    )


# ---------------------------------------------------------------- checks before the work


def _check_outputs(output: Path, overwrite: bool, resume: bool, parts: Iterable[Path]) -> None:
    check_adapted_output(output, overwrite)
    for folder in parts:
        check_checkpoint_output(folder, may_go=overwrite or resume)


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
