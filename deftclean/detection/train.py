"""Phase 1 of DEFT: learn the contexts and the visual tuner from noisy labels.

Yields what happened after each epoch; prints nothing and knows no file.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from deftclean.core.errors import CollapseError
from deftclean.core.metrics import auroc
from deftclean.core.run import ALONE, Ranks
from deftclean.core.runtime import Runtime, stream
from deftclean.detection.step import Judgement, judge
from deftclean.models.detector import DualPromptDetector
from deftclean.settings.detector import DetectorConfig
from deftclean.training.collapse import CollapseWatch
from deftclean.training.feeds import Features
from deftclean.training.losses import dual_prompt_loss, similarity_loss, symmetric_cross_entropy
from deftclean.training.optimiser import Optimiser, learning_rate
from deftclean.training.pieces import Again, until_it_fits

MIN_SEPARATION = 0.6
"""Separation at the end of warm-up below which the threshold has not been learned."""

_FIRST_CHECK = 10  # steps until the first look for a collapse


@dataclass(frozen=True)
class EpochMetrics:
    """One epoch of training.

    Attributes:
        epoch: from 1.
        warmup: whether every given label was trusted.
        loss: mean of L_dp + L_sim over the epoch's batches.
        cross_entropy: of softmax(pos) with the given labels, mean over all rows, in nats;
            ln K is chance.
        noise_rate: share of rows judged not clean at their visit.
        separation: AUROC of p_clean for given against complementary labels of the same rows;
            0.5 is chance, and needs no truth.
        lr: learning rate.
        prolonged: warm-up was to end here and goes on, because separation is too low.
    """

    epoch: int
    warmup: bool
    loss: float
    cross_entropy: float
    noise_rate: float
    separation: float
    lr: float
    prolonged: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    def line(self, epochs: int) -> str:
        """For people."""
        more = " · separation is low, warm-up goes on" if self.prolonged else ""
        kind = "warm-up" if self.warmup else "clean rows"
        return (
            f"epoch {self.epoch}/{epochs} ({kind}): loss {self.loss:.3f}, flagged "
            f"{self.noise_rate:.1%}, separation {self.separation:.3f}{more}"
        )


@dataclass(frozen=True)
class TrainingState:
    """Where training stands after an epoch: all that it needs to go on as if never stopped.

    Attributes:
        epoch: finished epochs.
        warmup_end: last epoch of warm-up, prolonged or not.
        steps: finished steps.
        tensors: trained tensors by name.
        optimiser: its momenta, `slot.name`.
        scaler: of the float16 gradient scaler; empty in other precisions.
    """

    epoch: int
    warmup_end: int
    steps: int
    tensors: dict[str, Tensor]
    optimiser: dict[str, Tensor]
    scaler: dict[str, Any]


@dataclass(frozen=True)
class Progressed:
    """What a scan has done: its epochs, and the state behind the last of them."""

    epochs: tuple[EpochMetrics, ...]
    state: TrainingState

    def values(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        counts = {"epoch", "warmup_end", "steps", "scaler"}
        return {name: getattr(self.state, name) for name in sorted(counts)} | {
            "epochs": [metrics.as_dict() for metrics in self.epochs]
        }

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """By group and name."""
        return {"tensor": self.state.tensors, "optimiser": self.state.optimiser}

    @classmethod
    def of(
        cls, values: Mapping[str, Any], tensors: Mapping[str, dict[str, Tensor]]
    ) -> "Progressed":
        """From what `values` and `tensors` gave."""
        state = TrainingState(
            values["epoch"],
            values["warmup_end"],
            values["steps"],
            tensors["tensor"],
            tensors["optimiser"],
            values["scaler"],
        )
        return cls(tuple(EpochMetrics(**metrics) for metrics in values["epochs"]), state)


class TrainedEpoch(NamedTuple):
    """An epoch's figures, and the state behind it."""

    metrics: EpochMetrics
    state: TrainingState


class StepReport(NamedTuple):
    """One training step, for a progress bar; tensors stay on the device until they are read."""

    loss: Tensor
    clean: Tensor


class _StepResult(NamedTuple):
    loss: Tensor
    cross_entropy: Tensor
    clean: Tensor
    given_prob: Tensor
    complementary_prob: Tensor


def train_detector(
    detector: DualPromptDetector,
    feed: Callable[[int], Features],
    labels: Tensor,
    watch: CollapseWatch,
    config: DetectorConfig,
    warmup_is_fixed: bool,
    runtime: Runtime,
    on_step: Callable[[StepReport], None],
    again: Again,
    start: TrainingState | None = None,
) -> Iterator[TrainedEpoch]:
    """Train with SGD, one `TrainedEpoch` per epoch.

    Args:
        detector: on the run's device; its trained tensors are changed in place.
        feed: epoch from 0 -> batches of (rows, image features with gradient); of several processes
            each one's part of a batch.
        labels: (N,) int64 class of every row of the manifest, on the CPU.
        watch: made before the first step.
        config: resolved settings.
        warmup_is_fixed: do not prolong warm-up where separation is low.
        runtime: device and precision.
        on_step: called after each step.
        again: the features of the last batch once more, where memory has run out.
        start: what an earlier run with the same settings and data left; None to begin anew.

    Raises:
        CollapseError: the features became constant or not finite.
    """
    optimiser, ranks = Optimiser(detector, "sgd", config, runtime), runtime.ranks
    steps = _Steps(detector, labels, watch, config, optimiser, runtime, on_step, again)
    done, warmup_end = 0, config.warmup
    if start is not None:
        done, warmup_end, steps.done = start.epoch, start.warmup_end, start.steps
        detector.load_trained(start.tensors)
        optimiser.load(start.optimiser, start.scaler)

    for epoch in range(done + 1, config.epochs + 1):
        in_warmup = epoch <= warmup_end
        pseudo = epoch >= config.pseudo_start and (
            epoch > warmup_end or warmup_end == config.warmup
        )
        optimiser.set_lr(learning_rate(config, epoch))
        results = _of_all(steps.epoch(epoch, feed(epoch - 1), in_warmup, pseudo), ranks)
        lr = learning_rate(config, epoch)
        metrics = ranks.of_first(functools.partial(_summarise, results, epoch, in_warmup, lr))
        low = in_warmup and epoch == warmup_end and metrics.separation < MIN_SEPARATION
        if low and not warmup_is_fixed and warmup_end < config.epochs // 2:
            warmup_end += 1
            metrics = replace(metrics, prolonged=True)
        yield TrainedEpoch(metrics, _state(detector, optimiser, epoch, warmup_end, steps.done))


@dataclass
class _Steps:
    """The steps of a training, epoch by epoch; `done` counts all of them."""

    detector: DualPromptDetector
    labels: Tensor
    watch: CollapseWatch
    config: DetectorConfig
    optimiser: Optimiser
    runtime: Runtime
    on_step: Callable[[StepReport], None]
    again: Again
    done: int = 0

    def epoch(
        self, epoch: int, batches: Features, in_warmup: bool, pseudo: bool
    ) -> list[_StepResult]:
        """One pass over the rows, and a look for a collapse at its end."""
        config, device, ranks = self.config, self.runtime.device, self.runtime.ranks
        classes = self.detector.prompts.classes
        complements = complementary_labels(self.labels, classes, config.seed, epoch)
        results: list[_StepResult] = []
        for rows, image in batches:
            given = self.labels[rows].to(device, non_blocking=True)
            complementary = complements[rows].to(device, non_blocking=True)
            batch = ranks.total(len(rows))
            learn = functools.partial(
                self._gradients,
                given=given,
                complementary=complementary,
                batch=batch,
                in_warmup=in_warmup,
                pseudo=pseudo,
            )
            result = until_it_fits(learn, image, self.again)
            self.optimiser.sum_over(ranks)
            self.optimiser.step()

            results.append(result)
            self.done += 1
            self.on_step(StepReport(result.loss * (batch / len(rows)), result.clean))
            if _is_checked(self.done):
                self.watch.check(f"after {self.done} steps")
        self.watch.check(f"in epoch {epoch}")
        return results

    def _gradients(
        self,
        image: Tensor,
        given: Tensor,
        complementary: Tensor,
        batch: int,
        in_warmup: bool,
        pseudo: bool,
    ) -> _StepResult:
        """Gradients of a batch, or of this process's part, in place of those of the last one."""
        self.optimiser.zero_grad()
        agree = self.config.rule == "agree"
        with self.runtime.autocast():
            seen = judge(self.detector, image, given, complementary, agree, pseudo, batch)
        loss, result = _losses(seen, given, self.config, in_warmup, self.runtime.ranks, batch)
        self.optimiser.backward(loss)
        return result


def _state(
    detector: DualPromptDetector, optimiser: Optimiser, epoch: int, warmup_end: int, steps: int
) -> TrainingState:
    tensors = {name: tensor.clone() for name, tensor in detector.trained_tensors().items()}
    momenta, scaler = optimiser.tensors(), optimiser.scaler_state()
    return TrainingState(epoch, warmup_end, steps, tensors, momenta, scaler)


def _is_checked(steps: int) -> bool:
    """After 10, 20, 40, 80, ... steps: a collapse comes early, and each look costs a pass."""
    ratio, rest = divmod(steps, _FIRST_CHECK)
    return rest == 0 and ratio.bit_count() == 1


def complementary_labels(labels: Tensor, classes: int, seed: int, epoch: int) -> Tensor:
    """ȳ: for each of N rows a uniformly drawn class other than its label, (N,) int64.

    Depends on (seed, epoch, row) only.
    """
    offsets = stream(seed, "complement", epoch).integers(1, classes, size=len(labels))
    return (labels + torch.from_numpy(offsets)) % classes


def _losses(
    seen: Judgement,
    given: Tensor,
    config: DetectorConfig,
    in_warmup: bool,
    ranks: Ranks = ALONE,
    batch: int | None = None,
) -> tuple[Tensor, _StepResult]:
    """The loss of a batch; of several processes each one's part of it, which add up to the whole.

    Each mean is over other rows: a mean of the processes' own means would be another loss.
    """
    rows = len(given)
    of_rows = functools.partial(ranks.part_of_mean, own=rows, whole=batch or rows)
    loss = of_rows(dual_prompt_loss(seen.refined, seen.complementary, config.positive_weight))
    if in_warmup and config.warmup_loss == "sce":
        loss = loss + of_rows(symmetric_cross_entropy(seen.positive, given))
    else:
        selected = torch.ones_like(seen.clean) if in_warmup else seen.clean
        count = selected.sum()
        similarity = similarity_loss(seen.positive, given, selected)
        loss = loss + ranks.part_of_mean(similarity, count, ranks.total(count))

    with torch.no_grad():
        cross_entropy = F.cross_entropy(seen.positive, given, reduction="sum")
    result = _StepResult(
        loss.detach(),
        cross_entropy,
        seen.clean,
        seen.given.detach(),
        seen.complementary.detach(),
    )
    return loss, result


def _of_all(results: list[_StepResult], ranks: Ranks) -> list[_StepResult]:
    """The steps of an epoch, each with the rows of all processes."""
    if ranks.size == 1:
        return results
    found = ranks.every([_StepResult(*(each.cpu() for each in result)) for result in results])
    return [_joined(step) for step in zip(*found, strict=True)]


def _joined(parts: tuple[_StepResult, ...]) -> _StepResult:
    loss, cross_entropy, *rows = zip(*parts, strict=True)
    whole = (torch.cat(each) for each in rows)
    return _StepResult(torch.stack(loss).sum(), torch.stack(cross_entropy).sum(), *whole)


def _summarise(results: list[_StepResult], epoch: int, warmup: bool, lr: float) -> EpochMetrics:
    clean = torch.cat([r.clean for r in results])
    loss = torch.stack([r.loss for r in results]).mean()
    if not torch.isfinite(loss):
        raise CollapseError(
            f"Training collapsed in epoch {epoch}: the loss is not finite. No table was written.",
            "Train more gently: --clip-grad 1, or a lower --lr (a tenth of it).",
        )
    given = torch.cat([r.given_prob for r in results]).float().cpu().numpy()
    complementary = torch.cat([r.complementary_prob for r in results]).float().cpu().numpy()
    truth = np.repeat([True, False], [len(given), len(complementary)])
    return EpochMetrics(
        epoch=epoch,
        warmup=warmup,
        loss=float(loss),
        cross_entropy=float(torch.stack([r.cross_entropy for r in results]).sum() / len(clean)),
        noise_rate=float(1 - clean.float().mean()),
        separation=auroc(truth, np.concatenate([given, complementary])),
        lr=lr,
        prolonged=False,
    )
