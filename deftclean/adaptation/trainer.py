"""One adaptation: a classifier, the rows it learns from and the rows it is tested on.

Puts backbone, inputs, losses and the training loop together; knows no command and prints nothing.
"""

from collections.abc import Iterator
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
from deftclean.adaptation.learner import Learner, make_learner, share_statistics
from deftclean.adaptation.losses import make_loss
from deftclean.adaptation.sets import TestSet, TrainSet
from deftclean.adaptation.turn import believed, classes_left_out, row_losses, train_probe
from deftclean.core.progress import NowAndThen, Progress
from deftclean.core.runtime import Runtime
from deftclean.models.backbones import BackboneName
from deftclean.settings.adaptation import AdaptConfig, probe_of, with_all_steps
from deftclean.training.checkpoint import Checkpoint, rows_digest
from deftclean.training.epochs import ResumableTraining
from deftclean.training.feeds import EpochBatches


@dataclass(frozen=True)
class Trained:
    """One training and what came of it.

    Attributes:
        learner: what was trained.
        config: settings it was trained with.
        rows: how many it learned from.
        offered: how many `turn` selected them from; None for methods that select none.
        left_out: classes of which it selected no row.
        epochs: figures of every epoch.
        evaluation: after the last epoch; None where nothing was tested.
    """

    learner: Learner
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
class Plan:
    """One training of a command.

    Attributes:
        title: of its bar.
        train_set: what is learned from.
        test_set: what is tested on after every epoch; None for nothing.
        checkpoint: folder in which the state after each epoch is kept.
        resume: go on with what is kept there.
    """

    title: str
    train_set: TrainSet
    test_set: TestSet | None
    checkpoint: Path
    resume: bool


@dataclass(frozen=True)
class Trainer:
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

    def train(self, plan: Plan) -> Trained:
        """Train a fresh classifier on some rows, testing it after every epoch.

        Raises:
            WeightsError, UsageError, RunError: as `make_learner`, `believed` and `fine_tune`.
        """
        learner = make_learner(
            self.chosen, self.detector, self.class_names, self.config, self.offline,
            self.progress.say,
        )  # fmt: skip
        self.runtime.place(learner.whole)
        if self.runtime.ranks.size > 1 and self.config.method not in ("linear", "prompts"):
            share_statistics(learner.whole, self.chosen.name, self.config, self.runtime.device)
        if self.config.method == "turn":
            return self._turn(learner, plan)
        return self._train(learner, plan)

    def _turn(self, learner: Learner, plan: Plan) -> Trained:
        """A linear probe, then all weights on the rows that it believes; the head goes on."""
        rows, labels = plan.train_set.rows, plan.train_set.pictures.rows.labels
        chosen = self._believed(learner, plan.train_set)
        config = self.config
        if self.all_steps:
            config = with_all_steps(config, len(chosen), len(rows))
        self.progress.say(
            f"TURN selects {len(chosen):,} of {len(rows):,} rows; {config.epochs} epochs of "
            "them follow (--epochs)"
        )
        fewer = replace(plan, train_set=replace(plan.train_set, rows=chosen))
        trained = replace(self, config=config)._train(learner, fewer)
        left_out = classes_left_out(labels[rows], labels[chosen], self.class_names)
        return replace(trained, offered=len(rows), left_out=left_out)

    def _believed(self, learner: Learner, train_set: TrainSet) -> NDArray[np.int64]:
        """Train the head on features that are computed once, and ask it about every row."""
        assert isinstance(learner.whole, FineTuned)  # noqa: S101 - what `turn` trains
        known, rows, config = train_set.pictures.rows, train_set.rows, probe_of(self.config)
        shown = known.pictures[rows]
        inputs = FeatureInputs.of(
            learner.whole, train_set.pictures, np.unique(shown), self._place(), self.progress
        )
        head, targets = learner.whole.head(), Targets.of(known.labels, train_set.weights, rows)
        ranks = self.runtime.ranks
        batches = EpochBatches(rows, known.pictures, config.batch_size, config.seed, ranks)
        with self.progress.stage("Linear probe", len(batches) * config.epochs) as advance:
            steps_done = NowAndThen(advance)
            train_probe(
                head, inputs.feed(batches), targets, len(rows), len(self.class_names), config,
                self.runtime, lambda loss: steps_done(lambda: f"loss {float(loss):.3f}"),
                self.progress.say,
            )  # fmt: skip
        losses = row_losses(head, inputs.in_order(shown), known.labels[rows])
        return believed(losses, rows, known.labels[rows], config.seed)

    def _train(self, learner: Learner, plan: Plan) -> Trained:
        inputs, test_inputs = self._inputs(learner, plan.train_set, plan.test_set)
        epochs: tuple[FitEpoch, ...] = ()
        if self.config.method != "prompts":
            epochs = self._epochs(learner, plan, inputs, test_inputs)
        evaluation = self._tested(learner, plan.test_set, test_inputs)
        return Trained(learner, self.config, len(plan.train_set.rows), None, (), epochs, evaluation)

    def _tested(
        self, learner: Learner, test_set: TestSet | None, inputs: Inputs | None
    ) -> Evaluation | None:
        if test_set is None or inputs is None:
            return None
        return test_set.evaluate(learner.trained, inputs, len(self.class_names))

    def _epochs(
        self, learner: Learner, plan: Plan, inputs: Inputs, test_inputs: Inputs | None
    ) -> tuple[FitEpoch, ...]:
        config, train_set, known = self.config, plan.train_set, plan.train_set.pictures.rows
        count, classes = len(train_set.rows), len(self.class_names)
        ranks = self.runtime.ranks
        batches = EpochBatches(
            train_set.rows, known.pictures, config.batch_size, config.seed, ranks
        )
        targets = Targets.of(known.labels, train_set.weights, train_set.rows)
        loss = make_loss(config.loss, count, classes, self.runtime.device)

        def epochs_after(record: FitProgress | None, on_step: NowAndThen) -> Iterator[FitProgress]:
            epochs = record.epochs if record is not None else ()
            for fitted in fine_tune(
                learner.trained,
                inputs.feed(batches),
                targets,
                loss,
                config,
                self.runtime,
                lambda mean: on_step(lambda: f"loss {float(mean):.3f}"),
                self.progress.say,
                record.state if record is not None else None,
            ):
                tested = self._tested(learner, plan.test_set, test_inputs)
                epochs = (*epochs, FitEpoch.of(fitted, tested))
                yield FitProgress(epochs, fitted.state)

        checkpoint = Checkpoint(plan.checkpoint, self._identity(learner, plan), ranks)
        training = ResumableTraining(
            plan.title, config.epochs, len(batches), checkpoint, plan.resume, self.progress
        )
        record = training.run(FitProgress.of, epochs_after)
        return record.epochs if record is not None else ()

    def _inputs(
        self, learner: Learner, train_set: TrainSet, test_set: TestSet | None
    ) -> tuple[Inputs, Inputs | None]:
        if self.config.method != "linear":
            shown = PictureInputs(train_set.pictures, self.preprocess, self.config)
            tested = (
                PictureInputs(test_set.pictures, self.preprocess, self.config) if test_set else None
            )
            return shown, tested
        assert isinstance(learner.whole, FineTuned)  # noqa: S101 - what `linear` trains
        learned = np.unique(train_set.pictures.rows.pictures[train_set.rows])
        own = test_set is not None and test_set.pictures is train_set.pictures
        if test_set is not None and own:
            learned = np.union1d(learned, test_set.shown)
        place = self._place()
        make = FeatureInputs.of
        inputs = make(learner.whole, train_set.pictures, learned, place, self.progress)
        if test_set is None or own:
            return inputs, inputs if test_set is not None else None
        other = place.with_name(f"{place.name}-test")
        return inputs, make(learner.whole, test_set.pictures, test_set.shown, other, self.progress)

    def _place(self) -> Path:
        """A file for features."""
        return self.folder / f"features-{len(list(self.folder.iterdir()))}"

    def _identity(self, learner: Learner, plan: Plan) -> dict[str, Any]:
        """What decides every number of a training, by name."""
        train_set, test_set = plan.train_set, plan.test_set
        weights = train_set.weights[train_set.rows].tobytes()
        return {
            "version of deftclean": __version__,
            "settings": self.config.as_dict(),
            "class names": list(self.class_names),
            "backbone": {
                "model": self.chosen.model,
                "sha256": learner.sha256,
                "arguments": learner.arguments,
            },
            "data": rows_digest(train_set.pictures.rows, train_set.rows, weights),
            "test data": rows_digest(test_set.pictures.rows, test_set.rows) if test_set else "",
            "device": self.runtime.device.type,
            "precision": self.runtime.precision,
            **({"processes": self.runtime.ranks.size} if self.runtime.ranks.size > 1 else {}),
        }
