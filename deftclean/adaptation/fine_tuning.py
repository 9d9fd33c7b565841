"""Phase 2 of DEFT: train a classifier on chosen rows, in any precision, to be gone on with.

Yields what happened after each epoch; prints nothing and knows no file.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deftclean.adaptation.classifiers import Classifier
from deftclean.adaptation.evaluation import Evaluation
from deftclean.adaptation.losses import FitLoss
from deftclean.core.errors import RunError
from deftclean.core.runtime import Runtime, stream
from deftclean.settings.adaptation import AdaptConfig
from deftclean.training.optimiser import Optimiser, learning_rate
from deftclean.training.pieces import halved

Batches = Iterator[tuple[Tensor, Tensor]]
"""(B,) int64 rows on the CPU, and the inputs of the classifier on its device."""


@dataclass(frozen=True)
class FitEpoch:
    """One epoch of an adaptation.

    Attributes:
        epoch: from 1.
        loss: weighted mean over the rows, each at its visit.
        agreement: share of rows whose label the classifier gave at their visit, in [0, 1].
        lr: learning rate.
        accuracy: on the test rows after the epoch, in [0, 1]; None where there are none.
        calibration_error: likewise.
    """

    epoch: int
    loss: float
    agreement: float
    lr: float
    accuracy: float | None
    calibration_error: float | None

    @classmethod
    def of(cls, fitted: "Fitted", tested: Evaluation | None) -> "FitEpoch":
        """From the training's figures and the test after it."""
        return cls(
            fitted.epoch,
            fitted.loss,
            fitted.agreement,
            fitted.lr,
            tested.accuracy if tested is not None else None,
            tested.calibration_error if tested is not None else None,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    def line(self, epochs: int) -> str:
        """For people."""
        tested = f", test accuracy {self.accuracy:.1%}" if self.accuracy is not None else ""
        return (
            f"epoch {self.epoch}/{epochs}: loss {self.loss:.3f}, labels learned "
            f"{self.agreement:.1%}{tested}"
        )


@dataclass(frozen=True)
class FitState:
    """Where an adaptation stands after an epoch: all that it needs to go on as if never stopped.

    Attributes:
        epoch: finished epochs.
        micro_batch: pictures that pass through the model at once, as far as memory allowed.
        classifier, optimiser, loss: tensors by name, on the CPU.
        scaler: of the float16 gradient scaler; empty in other precisions.
    """

    epoch: int
    micro_batch: int
    classifier: dict[str, Tensor]
    optimiser: dict[str, Tensor]
    loss: dict[str, Tensor]
    scaler: dict[str, Any]


@dataclass(frozen=True)
class FitProgress:
    """What an adaptation has done: its epochs, and the state behind the last of them."""

    epochs: tuple[FitEpoch, ...]
    state: FitState

    def values(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        state = self.state
        return {
            "epoch": state.epoch,
            "micro_batch": state.micro_batch,
            "scaler": state.scaler,
            "epochs": [epoch.as_dict() for epoch in self.epochs],
        }

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """By group and name."""
        state = self.state
        return {"classifier": state.classifier, "optimiser": state.optimiser, "loss": state.loss}

    @classmethod
    def of(
        cls, values: Mapping[str, Any], tensors: Mapping[str, dict[str, Tensor]]
    ) -> "FitProgress":
        """From what `values` and `tensors` gave."""
        state = FitState(
            values["epoch"],
            values["micro_batch"],
            tensors["classifier"],
            tensors["optimiser"],
            tensors["loss"],
            values["scaler"],
        )
        return cls(tuple(FitEpoch(**epoch) for epoch in values["epochs"]), state)


class Fitted(NamedTuple):
    """Figures of the training rows in one epoch (see `FitEpoch`), and the state behind it."""

    epoch: int
    loss: float
    agreement: float
    lr: float
    state: FitState


@dataclass(frozen=True)
class Targets:
    """What rows are trained on, by row.

    Attributes:
        labels: (N,) int64 class.
        weights: (N,) float32, 0 or more.
        places: (N,) int64 place among the n rows that are trained on.
    """

    labels: Tensor
    weights: Tensor
    places: Tensor

    @classmethod
    def of(
        cls, labels: NDArray[np.int64], weights: NDArray[np.float32], rows: NDArray[np.int64]
    ) -> "Targets":
        """From columns of the table, and the rows that are trained on."""
        places = np.zeros(len(labels), dtype=np.int64)
        places[rows] = np.arange(len(rows))
        return cls(*(torch.from_numpy(values) for values in (labels, weights, places)))


class _Sums(NamedTuple):
    """Sums over a batch; on the device until they are read."""

    loss: Tensor
    weight: Tensor
    agreeing: Tensor
    rows: int


def fine_tune(
    classifier: Classifier,
    feed: Callable[[int], Batches],
    targets: Targets,
    loss: FitLoss,
    config: AdaptConfig,
    runtime: Runtime,
    on_step: Callable[[Tensor], None],
    say: Callable[[str], None],
    start: FitState | None = None,
) -> Iterator[Fitted]:
    """Train, one `Fitted` per epoch.

    Args:
        classifier: on the run's device; changed in place.
        feed: epoch from 0 -> batches of (rows, inputs); of several processes each one's part of a
            batch.
        targets: labels and weights of the rows.
        loss: per-sample losses.
        config: resolved settings.
        runtime: device and precision.
        on_step: called after each step with its mean loss.
        say: told when a batch does not fit into memory.
        start: what an earlier run with the same settings and data left; None to begin anew.

    Raises:
        RunError: the loss is not finite, or a single picture does not fit into memory.
    """
    step, ranks = _Step(classifier, targets, loss, config, runtime, say), runtime.ranks
    done = 0
    if start is not None:
        done = start.epoch
        step.load(start)
    for epoch in range(done + 1, config.epochs + 1):
        classifier.train()
        lr = learning_rate(config, epoch)
        step.optimiser.set_lr(lr)
        sums: list[_Sums] = []
        with _drawing_from(config.seed, epoch, runtime):
            for rows, inputs in feed(epoch - 1):
                sums.append(step(rows, inputs))
                on_step(sums[-1].loss / sums[-1].weight)
        loss.share(ranks)
        weight = float(ranks.total(torch.stack([s.weight for s in sums]).sum()))
        mean = float(ranks.total(torch.stack([s.loss for s in sums]).sum())) / weight
        if not np.isfinite(mean):
            raise RunError(
                f"The loss is {mean} in epoch {epoch}: training has diverged.",
                "Lower --lr, or limit gradients with --clip-grad 1.",
            )
        agreeing = float(ranks.total(torch.stack([s.agreeing for s in sums]).sum()))
        rows_seen = ranks.total(sum(s.rows for s in sums))
        yield Fitted(epoch, mean, agreeing / rows_seen, lr, step.state(epoch))


@contextlib.contextmanager
def _drawing_from(seed: int, epoch: int, runtime: Runtime) -> Iterator[None]:
    """Dropout and the like, which some backbones bring, as a function of (seed, epoch, process)."""
    devices = [torch.cuda.current_device()] if runtime.device.type == "cuda" else []
    drawn = stream(seed, "dropout", epoch).integers(2**63, size=runtime.ranks.rank + 1)
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(drawn[-1]))
        yield


class _Step:
    """One step of training: a batch in as many pieces as memory asks for."""

    def __init__(
        self,
        classifier: Classifier,
        targets: Targets,
        loss: FitLoss,
        config: AdaptConfig,
        runtime: Runtime,
        say: Callable[[str], None],
    ) -> None:
        self._classifier = classifier
        self._targets = targets
        self._loss = loss
        self._runtime = runtime
        self._say = say
        self._pieces = min(config.micro_batch or config.batch_size, config.batch_size)
        self.optimiser = Optimiser(classifier, config.optimiser, config, runtime)

    def __call__(self, rows: Tensor, inputs: Tensor) -> _Sums:
        while True:
            try:
                return self._whole_batch(rows, inputs)
            except torch.OutOfMemoryError as error:
                self._halve(len(rows), error)

    def _whole_batch(self, rows: Tensor, inputs: Tensor) -> _Sums:
        """Of several processes each does its part, and all take the step of the whole batch."""
        ranks = self._runtime.ranks
        self.optimiser.zero_grad()
        weights = self._targets.weights[rows].to(inputs.device, non_blocking=True)
        tiny = torch.finfo(weights.dtype).tiny
        own = weights.sum()
        total = ranks.total(own).clamp(min=tiny)
        parts = [
            self._piece(*piece, total)
            for piece in zip(
                rows.split(self._pieces),
                inputs.split(self._pieces),
                weights.split(self._pieces),
                strict=True,
            )
        ]
        self.optimiser.sum_over(ranks)
        self.optimiser.step()
        losses, agreeing = (torch.stack(each).sum() for each in zip(*parts, strict=True))
        return _Sums(losses, own.clamp(min=tiny), agreeing, len(rows))

    def _piece(
        self, rows: Tensor, inputs: Tensor, weights: Tensor, total: Tensor
    ) -> tuple[Tensor, Tensor]:
        labels = self._targets.labels[rows].to(inputs.device, non_blocking=True)
        with self._runtime.autocast():
            logits = self._classifier(inputs)
        each = self._loss(self._targets.places[rows], logits.float(), labels)
        weighted = (each * weights).sum()
        self.optimiser.backward(weighted / total)
        return weighted.detach(), (logits.detach().argmax(dim=1) == labels).float().sum()

    def _halve(self, batch: int, error: torch.OutOfMemoryError) -> None:
        advice = "Choose a smaller --backbone or --image-size, or --device cpu."
        if self._runtime.ranks.size > 1:  # the others are in the middle of the step
            raise RunError(
                "A training step does not fit into the device's memory; of several processes, none "
                "can try again by itself.",
                f"Give --micro-batch N, so many at once. {advice}",
            ) from error
        self.optimiser.zero_grad()  # their memory is given back too
        self._pieces = halved(batch, self._pieces, self._runtime, advice, error)
        self._say(
            f"a batch does not fit into memory: {self._pieces} pictures at a time from here on, "
            "with the gradients of a batch added up"
        )

    def state(self, epoch: int) -> FitState:
        return FitState(
            epoch,
            self._pieces,
            self._classifier.tensors(),
            self.optimiser.tensors(),
            self._loss.state(),
            self.optimiser.scaler_state(),
        )

    def load(self, state: FitState) -> None:
        self._pieces = state.micro_batch
        self._classifier.load(state.classifier)
        self.optimiser.load(state.optimiser, state.scaler)
        self._loss.load(state.loss)
