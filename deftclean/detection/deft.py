"""DEFT's own way of selecting rows: train the dual-prompt detector, then judge every row."""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deftclean.core.errors import CollapseError
from deftclean.core.progress import NowAndThen
from deftclean.detection.task import Outcome, Task
from deftclean.detection.train import EpochMetrics, Progressed, StepReport, train_detector
from deftclean.detection.warnings import training_warnings
from deftclean.models.detector import DualPromptDetector
from deftclean.training.checkpoint import Checkpoint
from deftclean.training.epochs import ResumableTraining
from deftclean.training.sample import sampled_rows


@dataclass(frozen=True)
class Keeping:
    """What becomes of a training that is stopped.

    Attributes:
        checkpoint: where the state after each epoch is kept.
        resume: go on with what lies there.
        compiled: translate the tuned image tower with `torch.compile`.
    """

    checkpoint: Checkpoint
    resume: bool
    compiled: bool


def detect_rows(task: Task, threshold: float, keeping: Keeping) -> Outcome:
    """Train a detector and score every readable row with it.

    Args:
        task: the data.
        threshold: of the keep rule.
        keeping: of the training.

    Raises:
        CollapseError: training collapsed.
        UsageError: what lies in the checkpoint belongs to another run.
    """
    pictures, config = task.pictures, task.config
    rows = sampled_rows(pictures.rows.trainable, pictures.rows.labels, config)
    detector, epochs = trained_detector(task, rows, pictures.labels, keeping, "Training")
    warnings = training_warnings(
        epochs, task.zero_shot, pictures.rows, task.manifest, task.progress
    )
    scores = pictures.score(detector, task.progress)
    return Outcome(scores, config.rule, threshold, (detector,), epochs, warnings)


def trained_detector(
    task: Task, rows: NDArray[np.int64], labels: Tensor, keeping: Keeping, title: str
) -> tuple[DualPromptDetector, list[EpochMetrics]]:
    """Train a detector on some rows.

    Args:
        task: the data.
        rows: of the trainable ones, ascending.
        labels: (N,) class to learn for each row.
        keeping: of this training.
        title: of its bar.

    Raises:
        CollapseError, UsageError: as `detect_rows`.
    """
    pictures, config, checkpoint = task.pictures, task.config, keeping.checkpoint
    detector = pictures.session.detector_for(task.manifest.class_names, config, task.prompt_texts)
    if keeping.compiled:
        detector.compile_images()
    ranks = pictures.runtime.ranks
    detector.prompts.divide(ranks, pictures.runtime.device)
    watch = pictures.watch(detector, config.seed)
    feed = pictures.epochs_of_chosen(detector.image_features, config, ranks)

    def epochs_after(record: Progressed | None, on_step: NowAndThen) -> Iterator[Progressed]:
        epochs = record.epochs if record is not None else ()
        for trained in train_detector(
            detector,
            lambda epoch: feed(epoch, rows),
            labels,
            watch,
            config,
            task.resolved.warmup_is_fixed,
            pictures.runtime,
            lambda report: on_step(functools.partial(_step_text, report)),
            feed.again,
            record.state if record is not None else None,
        ):
            epochs = (*epochs, trained.metrics)
            yield Progressed(epochs, trained.state)

    steps = math.ceil(len(rows) / config.batch_size)
    training = ResumableTraining(
        title, config.epochs, steps, checkpoint, keeping.resume, task.progress
    )
    _say_beginning(training)
    try:
        record = training.run(Progressed.of, epochs_after)
    except CollapseError:
        checkpoint.remove()  # going on would end the same way
        raise
    return detector, list(record.epochs) if record is not None else []


def _say_beginning(training: ResumableTraining) -> None:
    """What becomes of a checkpoint that is there, or is not."""
    checkpoint, say = training.checkpoint, training.progress.say
    if training.resume and not checkpoint.exists:
        say(f"nothing to resume in {checkpoint.folder}: beginning with the first epoch")
    if not training.resume and checkpoint.exists:
        say(
            f"{checkpoint.folder} holds an unfinished scan, which this one replaces; --resume "
            "goes on with it"
        )


def _step_text(report: StepReport) -> str:
    flagged = 1 - float(report.clean.float().mean())
    return f"loss {float(report.loss):.3f}, flagged {flagged:.0%}"
