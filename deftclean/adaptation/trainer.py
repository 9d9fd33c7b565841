"""One adaptation: a classifier, the rows it learns from and the rows it is tested on.

Puts backbone, inputs, losses and the training loop together; knows no command and prints nothing.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deftclean import __version__
from deftclean.adaptation.classifiers import Aligned, Classifier, FineTuned
from deftclean.adaptation.evaluation import Evaluation, evaluate
from deftclean.adaptation.fine_tuning import Batches, FitEpoch, FitProgress, Targets, fine_tune
from deftclean.adaptation.inputs import FeatureInputs, Inputs, PictureInputs
from deftclean.adaptation.losses import make_loss
from deftclean.adaptation.saved_classifier import aligned, fine_tuned, prompt_tuned
from deftclean.adaptation.turn import believed, classes_left_out, row_losses, train_probe
from deftclean.core.errors import InputError
from deftclean.core.progress import NowAndThen, Progress
from deftclean.core.runtime import Runtime
from deftclean.models.backbones import BackboneName, load_backbone
from deftclean.models.saved_detector import findable_name, load_detector, read_card
from deftclean.models.weights import load_model
from deftclean.settings.adaptation import AdaptConfig, probe_of, with_all_steps
from deftclean.settings.detector import DetectorConfig
from deftclean.training.checkpoint import Unfinished, digest
from deftclean.training.feeds import EpochBatches
from deftclean.training.picture_sets import PictureSet


@dataclass(frozen=True)
class Student:
    """A classifier before training.

    Attributes:
        whole: from pixels to logits; what is kept.
        trained: what `fine_tune` changes: the same, or its head alone.
        architecture, arguments: how timm builds it; None and empty where a CLIP is needed.
        model, weights: the CLIP that is needed; None where the weights stand for themselves.
        sha256: of the weights that training begins with.
        detector: settings of the prompts, where it has textual ones.
    """

    whole: Classifier
    trained: Classifier
    architecture: str | None
    arguments: dict[str, Any]
    model: str | None
    weights: str | None
    sha256: str | None
    detector: DetectorConfig | None


def backbone_of_detector(folder: Path, class_names: tuple[str, ...]) -> BackboneName:
    """The CLIP that a detector was trained with, as the backbone of `prompts`.

    Raises:
        InputError: the detector cannot be had, or knows other classes.
    """
    card = read_card(folder)
    if card.class_names != class_names:
        raise InputError(
            f"{folder} knows {len(card.class_names):,} classes, which are not the "
            f"{len(class_names):,} of the table.",
            "Give the detector of the same scan: --detector FOLDER.",
        )
    model, weights = findable_name(card.model, card.weights, folder)
    return BackboneName(model, model, True, weights, False, None)


def make_student(
    chosen: BackboneName,
    detector: Path | None,
    class_names: tuple[str, ...],
    config: AdaptConfig,
    offline: bool,
    announce: Callable[[str], None],
) -> Student:
    """Load the weights that the method begins with.

    Args:
        chosen: backbone.
        detector: folder of the detector whose prompts classify, for `prompts`.
        class_names: K.
        config: resolved settings.
        offline: never fetch.
        announce: told before anything is fetched.

    Raises:
        WeightsError, UsageError: they cannot be had, or do not fit the method.
    """
    if config.method in ("fft", "linear", "turn"):
        return _timm_student(chosen, len(class_names), config, offline, announce)
    loaded = load_model(chosen.model, chosen.weights, offline, announce)
    names = chosen.model, chosen.weights, loaded.sha256
    if config.method == "peft":
        prompted = prompt_tuned(loaded.encoder, len(class_names), config)
        return Student(prompted, prompted, None, {}, *names, None)
    if detector is not None:
        card = read_card(detector)
        learned = Aligned(load_detector(detector, card, loaded))
        return Student(learned, learned, None, {}, *names, card.config)
    settings = DetectorConfig(
        tuner=config.tuner,
        prompt_length=config.prompt_length,
        rank=config.rank,
        bottleneck=config.bottleneck,
        context_length=config.context_length,
        seed=config.seed,
    )
    fresh = aligned(loaded.encoder, class_names, settings)
    return Student(fresh, fresh, None, {}, *names, settings)


def _timm_student(
    chosen: BackboneName,
    classes: int,
    config: AdaptConfig,
    offline: bool,
    announce: Callable[[str], None],
) -> Student:
    found = load_backbone(chosen, classes, config.seed, offline, announce)
    whole = fine_tuned(found.model, found.preprocess)
    trained = whole.head() if config.method == "linear" else whole
    return Student(
        whole, trained, found.architecture, found.arguments, None, None, found.sha256, None
    )


@dataclass(frozen=True)
class Lessons:
    """Rows to learn from.

    Attributes:
        pictures: of the rows.
        rows: (n,) which of them, ascending.
        weights: (N,) float32 of the loss.
    """

    pictures: PictureSet
    rows: NDArray[np.int64]
    weights: NDArray[np.float32]

    def without(self, rows: NDArray[np.int64]) -> "Lessons":
        """All but some rows."""
        return replace(self, rows=np.setdiff1d(self.rows, rows))


@dataclass(frozen=True)
class Exam:
    """Rows whose labels are believed, for measuring.

    Attributes:
        pictures: of the rows.
        rows: (m,) which of them.
    """

    pictures: PictureSet
    rows: NDArray[np.int64]

    @property
    def shown(self) -> NDArray[np.int64]:
        """Distinct pictures of the rows, ascending."""
        return np.unique(self.pictures.rows.pictures[self.rows])

    def evaluate(self, classifier: Classifier, inputs: Inputs, classes: int) -> Evaluation:
        """Accuracy and the like of a classifier as it is now."""
        shown, of_row = self.shown, self.pictures.rows.pictures[self.rows]
        autocast = self.pictures.runtime.autocast
        found = predict(classifier, inputs.in_order(shown), classes, autocast).numpy()
        labels = self.pictures.rows.labels[self.rows]
        return evaluate(found[np.searchsorted(shown, of_row)], labels)


@dataclass(frozen=True)
class Trained:
    """One training and what came of it.

    Attributes:
        student: what was trained.
        config: settings it was trained with.
        rows: how many it learned from.
        offered: how many `turn` selected them from; None for methods that select none.
        left_out: classes of which it selected no row.
        epochs: figures of every epoch.
        evaluation: after the last epoch; None where nothing was tested.
    """

    student: Student
    config: AdaptConfig
    rows: int
    offered: int | None
    left_out: tuple[str, ...]
    epochs: tuple[FitEpoch, ...]
    evaluation: Evaluation | None

    @property
    def best(self) -> float | None:
        """The highest accuracy of any epoch on the test rows: chosen by looking at them."""
        if self.evaluation is None:
            return None
        found = [epoch.accuracy for epoch in self.epochs if epoch.accuracy is not None]
        return max(found, default=self.evaluation.accuracy)


@dataclass(frozen=True)
class Bench:
    """What all trainings of one command share.

    Attributes:
        chosen: backbone.
        detector: folder of the detector whose prompts classify, for `prompts`.
        class_names: K.
        config: resolved settings.
        all_steps: more epochs make up for rows that the method itself leaves out.
        preprocess: how the backbone wants its pictures.
        runtime: device and precision.
        offline: never fetch.
        folder: of the run's own files.
        progress: told what happens.
    """

    chosen: BackboneName
    detector: Path | None
    class_names: tuple[str, ...]
    config: AdaptConfig
    all_steps: bool
    preprocess: dict[str, Any]
    runtime: Runtime
    offline: bool
    folder: Path
    progress: Progress

    def train(
        self, title: str, lessons: Lessons, exam: Exam | None, kept: Path, resume: bool
    ) -> Trained:
        """Train a fresh classifier on some rows, testing it after every epoch.

        Args:
            title: for the bar.
            lessons: what it learns from.
            exam: what it is tested on.
            kept: folder in which an unfinished training is kept.
            resume: go on with what is kept there.

        Raises:
            WeightsError, UsageError, RunError: as `make_student`, `believed` and `fine_tune`.
        """
        student = make_student(
            self.chosen, self.detector, self.class_names, self.config, self.offline,
            self.progress.say,
        )  # fmt: skip
        student.whole.to(self.runtime.device)
        if self.config.method == "turn":
            return self._turn(title, student, lessons, exam, kept, resume)
        return self._train(title, student, lessons, exam, kept, resume)

    def _turn(
        self,
        title: str,
        student: Student,
        lessons: Lessons,
        exam: Exam | None,
        kept: Path,
        resume: bool,
    ) -> Trained:
        """A linear probe, then all weights on the rows that it believes; the head goes on."""
        rows, labels = lessons.rows, lessons.pictures.rows.labels
        chosen = replace(lessons, rows=self._believed(student, lessons))
        config = self.config
        if self.all_steps:
            config = with_all_steps(config, len(chosen.rows), len(rows))
        self.progress.say(
            f"TURN selects {len(chosen.rows):,} of {len(rows):,} rows; {config.epochs} epochs of "
            "them follow (--epochs)"
        )
        bench = replace(self, config=config)
        trained = bench._train(title, student, chosen, exam, kept, resume)
        left_out = classes_left_out(labels[rows], labels[chosen.rows], self.class_names)
        return replace(trained, offered=len(rows), left_out=left_out)

    def _believed(self, student: Student, lessons: Lessons) -> NDArray[np.int64]:
        """Train the head on features that are computed once, and ask it about every row."""
        assert isinstance(student.whole, FineTuned)  # noqa: S101 - what `turn` trains
        known, rows, config = lessons.pictures.rows, lessons.rows, probe_of(self.config)
        shown = known.pictures[rows]
        inputs = FeatureInputs.of(
            student.whole, lessons.pictures, np.unique(shown), self._place(), self.progress
        )
        head, targets = student.whole.head(), Targets.of(known.labels, lessons.weights, rows)
        batches = EpochBatches(rows, known.pictures, config.batch_size, config.seed)
        with self.progress.stage("Linear probe", len(batches) * config.epochs) as advance:
            steps_done = NowAndThen(advance)
            train_probe(
                head, inputs.feed(batches), targets, len(rows), len(self.class_names), config,
                self.runtime, lambda loss: steps_done(lambda: f"loss {float(loss):.3f}"),
                self.progress.say,
            )  # fmt: skip
        losses = row_losses(head, inputs.in_order(shown), known.labels[rows])
        return believed(losses, rows, known.labels[rows], config.seed)

    def _train(
        self,
        title: str,
        student: Student,
        lessons: Lessons,
        exam: Exam | None,
        kept: Path,
        resume: bool,
    ) -> Trained:
        inputs, exam_inputs = self._inputs(student, lessons, exam)
        epochs: tuple[FitEpoch, ...] = ()
        if self.config.method != "prompts":
            unfinished = Unfinished(kept, self._identity(student, lessons, exam))
            epochs = self._epochs(
                title, student, lessons, inputs, exam, exam_inputs, unfinished, resume
            )
        evaluation = None
        if exam is not None and exam_inputs is not None:
            evaluation = exam.evaluate(student.trained, exam_inputs, len(self.class_names))
        return Trained(student, self.config, len(lessons.rows), None, (), epochs, evaluation)

    def _epochs(
        self,
        title: str,
        student: Student,
        lessons: Lessons,
        inputs: Inputs,
        exam: Exam | None,
        exam_inputs: Inputs | None,
        unfinished: Unfinished,
        resume: bool,
    ) -> tuple[FitEpoch, ...]:
        config, rows = self.config, lessons.pictures.rows
        batches = EpochBatches(lessons.rows, rows.pictures, config.batch_size, config.seed)
        classes = len(self.class_names)
        loss = make_loss(config.loss, len(lessons.rows), classes, self.runtime.device)
        earlier = unfinished.load(FitProgress.of) if resume else None
        epochs = list(earlier.epochs) if earlier is not None else []
        if epochs:
            self.progress.say(f"going on after {len(epochs)} of {config.epochs} epochs")
        steps = len(batches)
        with self.progress.stage(title, steps * config.epochs) as advance:
            advance(steps * len(epochs), "")
            steps_done = NowAndThen(advance)
            try:
                for fitted in fine_tune(
                    student.trained,
                    inputs.feed(batches),
                    Targets.of(rows.labels, lessons.weights, lessons.rows),
                    loss,
                    config,
                    self.runtime,
                    lambda loss: steps_done(lambda: f"loss {float(loss):.3f}"),
                    self.progress.say,
                    earlier.state if earlier is not None else None,
                ):
                    tested = (
                        exam.evaluate(student.trained, exam_inputs, classes)
                        if exam is not None and exam_inputs is not None
                        else None
                    )
                    epochs.append(FitEpoch.of(fitted, tested))
                    done = FitProgress(tuple(epochs), fitted.state)
                    unfinished.save(done.values(), done.tensors())
                    self.progress.say(epochs[-1].line(config.epochs))
            except (KeyboardInterrupt, SystemExit):
                if epochs:
                    self.progress.say(
                        f"stopped after {len(epochs)} of {config.epochs} epochs, which are kept "
                        f"in {unfinished.folder}: the same command with --resume goes on from there"
                    )
                raise
        return tuple(epochs)

    def _inputs(
        self, student: Student, lessons: Lessons, exam: Exam | None
    ) -> tuple[Inputs, Inputs | None]:
        if self.config.method != "linear":
            shown = PictureInputs(lessons.pictures, self.preprocess, self.config)
            tested = PictureInputs(exam.pictures, self.preprocess, self.config) if exam else None
            return shown, tested
        assert isinstance(student.whole, FineTuned)  # noqa: S101 - what `linear` trains
        learned = np.unique(lessons.pictures.rows.pictures[lessons.rows])
        own = exam is not None and exam.pictures is lessons.pictures
        if exam is not None and own:
            learned = np.union1d(learned, exam.shown)
        place = self._place()
        make = FeatureInputs.of
        inputs = make(student.whole, lessons.pictures, learned, place, self.progress)
        if exam is None or own:
            return inputs, inputs if exam is not None else None
        other = place.with_name(f"{place.name}-test")
        return inputs, make(student.whole, exam.pictures, exam.shown, other, self.progress)

    def _place(self) -> Path:
        """A file for features."""
        return self.folder / f"features-{len(list(self.folder.iterdir()))}"

    def _identity(self, student: Student, lessons: Lessons, exam: Exam | None) -> dict[str, Any]:
        """What decides every number of a training, by name."""

        def of(pictures: PictureSet, rows: NDArray[np.int64]) -> list[bytes]:
            known = pictures.rows
            shown = known.distinct.digests[known.pictures[rows]]
            return [rows.tobytes(), known.labels[rows].tobytes(), shown.tobytes()]

        weights = lessons.weights[lessons.rows].tobytes()
        return {
            "version of deftclean": __version__,
            "settings": self.config.as_dict(),
            "class names": list(self.class_names),
            "backbone": [self.chosen.model, student.sha256, student.arguments],
            "data": digest(*of(lessons.pictures, lessons.rows), weights),
            "test data": digest(*of(exam.pictures, exam.rows)) if exam is not None else "",
            "device": self.runtime.device.type,
            "precision": self.runtime.precision,
        }


def predict(
    classifier: Classifier,
    batches: Batches,
    classes: int,
    autocast: Callable[[], contextlib.AbstractContextManager[object]],
) -> Tensor:
    """Softmax of every picture in turn, (U, K) float32 on the CPU.

    Args:
        classifier: on the device of the inputs.
        batches: of (pictures, inputs).
        classes: K.
        autocast: of the run.
    """
    found = []
    with torch.inference_mode():
        logits = classifier.fixed()
        for _, inputs in batches:
            with autocast():
                out = logits(inputs)
            found.append(out.float().softmax(dim=1).cpu())
    return torch.cat(found) if found else torch.empty(0, classes)
