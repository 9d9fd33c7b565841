"""One adaptation: a classifier, the rows it learns from and the rows it is tested on.

Puts backbone, inputs, losses and the training loop together; knows no command and prints nothing.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deftclean import __version__
from deftclean.adaptation.classifiers import FineTuned
from deftclean.adaptation.evaluation import Evaluation
from deftclean.adaptation.fine_tuning import FitEpoch, FitProgress, Targets, fine_tune
from deftclean.adaptation.inputs import FeatureInputs, Inputs, PictureInputs
from deftclean.adaptation.losses import make_loss
from deftclean.adaptation.sets import Exam, Lessons
from deftclean.adaptation.student import Student, make_student
from deftclean.adaptation.turn import believed, classes_left_out, row_losses, train_probe
from deftclean.core.progress import NowAndThen, Progress
from deftclean.core.runtime import Runtime
from deftclean.models.backbones import BackboneName
from deftclean.settings.adaptation import AdaptConfig, probe_of, with_all_steps
from deftclean.training.checkpoint import Checkpoint, digest
from deftclean.training.feeds import EpochBatches
from deftclean.training.picture_sets import PictureSet


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
            unfinished = Checkpoint(kept, self._identity(student, lessons, exam))
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
        unfinished: Checkpoint,
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
