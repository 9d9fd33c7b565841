"""Ways of selecting rows beside DEFT, and which settings each of them takes. No torch here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from deftclean.core.errors import UsageError
from deftclean.core.fields import setting
from deftclean.settings.checks import refuse_unfit
from deftclean.settings.detector import DetectorConfig

Strategy = Literal[
    "evidence", "deft", "label-match", "small-loss", "gmm", "rolt", "unicon", "longremix", "promix",
    "zero-shot-margin", "knn", "confident-learning",
]  # fmt: skip

TRAINED: tuple[Strategy, ...] = ("small-loss", "gmm", "rolt", "unicon", "longremix", "promix")
"""Strategies that train a linear head, and a visual tuner where there is one."""

TOLD: Strategy = "small-loss"
"""The one strategy that has to be told how much is wrong."""

_OF_ALL = ("seed", "decode", "tuner", "micro_batch")
_OF_HEADS = (
    *("prompt_length", "rank", "bottleneck", "tower_lr_share", "lr", "momentum", "weight_decay"),
    *("batch_size", "epochs", "warmup", "schedule", "crop", "flip", "clip_grad"),
)


@dataclass(frozen=True)
class StrategyOptions:
    """How rows are selected.

    Attributes:
        strategy: its name.
        noise_ratio: of `small-loss`, the share of labels that is wrong, in [0, 1).
    """

    strategy: Strategy = setting(
        "evidence",
        "How rows are selected. evidence: zero-shot, cross-fitted DEFT detectors, a head and "
        "neighbours, weighed to one probability. deft: the published method, one detector alone. "
        "Others, to compare with, write the same table and no detector. Without training: "
        "label-match, zero-shot-margin, knn, confident-learning. With a linear head and --tuner: "
        "small-loss, gmm, rolt, unicon, longremix, promix.",
        option="recipe",
        flags=("--recipe", "--strategy"),
    )
    noise_ratio: float | None = setting(
        None, "Of --strategy small-loss: the share of labels that is wrong."
    )

    @property
    def is_evidence(self) -> bool:
        """Whether all witnesses are heard."""
        return self.strategy == "evidence"

    @property
    def is_deft(self) -> bool:
        """Whether one dual-prompt detector judges alone, as published."""
        return self.strategy == "deft"

    @property
    def prompts(self) -> bool:
        """Whether dual-prompt detectors are trained."""
        return self.strategy in ("evidence", "deft")

    @property
    def trains(self) -> bool:
        """Whether anything is trained."""
        return self.prompts or self.strategy in TRAINED

    @property
    def stages(self) -> int:
        """How often a classifier is trained from the start."""
        return 2 if self.strategy == "longremix" else 1

    @property
    def reselects(self) -> bool:
        """Whether all pictures are looked at before every epoch after warm-up."""
        return self.strategy in TRAINED and self.strategy != TOLD

    def takes(self, name: str, value: Any) -> bool:
        """Whether a field of `DetectorConfig` means something here.

        Where nothing is trained, it may be said that there is no tuner.
        """
        if self.prompts:
            return True
        if self.trains:
            return name in _OF_ALL + _OF_HEADS
        return name in _OF_ALL and (name != "tuner" or value == "none")

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The given settings; without a tuner where nothing is trained.

        Args:
            given: fields of `DetectorConfig`; None means not given.

        Raises:
            UsageError: every setting that means nothing here, or that there is not.
        """
        refuse_unfit(DetectorConfig, given)
        chosen = {name: value for name, value in given.items() if value is not None}
        wrong = sorted(name for name, value in chosen.items() if not self.takes(name, value))
        if wrong:
            listed = ", ".join(f"--{name.replace('_', '-')}" for name in wrong)
            raise UsageError(
                f"{listed}: --recipe {self.strategy} has no such setting.",
                "Leave it out, of deftclean.toml too, or use --recipe evidence or deft.",
            )
        return chosen if self.trains else {"tuner": "none", **chosen}

    def check(self, threshold: float | None, resume: bool, compiled: bool) -> None:
        """Refuse what does not go together.

        Args:
            threshold: of `scan`; None where not given.
            resume, compiled: `--resume` and `--compile` of `scan`.

        Raises:
            UsageError: all of it.
        """
        problems = []
        if self.strategy not in get_args(Strategy):
            raise UsageError(
                f"There is no recipe {self.strategy!r}.", f"{', '.join(get_args(Strategy))}."
            )
        if self.strategy == TOLD and self.noise_ratio is None:
            problems.append(
                f"--recipe {TOLD} needs --noise-ratio R, the share of labels that is wrong"
            )
        if self.strategy != TOLD and self.noise_ratio is not None:
            problems.append(f"--noise-ratio goes with --recipe {TOLD}")
        if self.noise_ratio is not None and not 0 <= self.noise_ratio < 1:
            problems.append(f"--noise-ratio is {self.noise_ratio}; it must be 0 or more, below 1")
        if not self.prompts and threshold is not None:
            problems.append(
                f"--threshold: {self.strategy} has its own; deftclean select decides anew"
            )
        if not self.prompts and resume:
            problems.append("--resume goes with --recipe evidence or deft only")
        if not self.prompts and compiled:
            problems.append("--compile goes with --recipe evidence or deft only")
        if problems:
            raise UsageError("; ".join(problems) + ".")
