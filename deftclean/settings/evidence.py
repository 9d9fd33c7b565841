"""What the user brings beside the model: numbers of their own, and other words for the classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deftclean.core.errors import UsageError
from deftclean.core.fields import setting

NO_MODEL = "none"
"""As `--model`: nothing is loaded, and own numbers judge alone."""

_PANEL = "Evidence"
EMBEDDINGS = "--embeddings"
PRED_PROBS = "--pred-probs"
FEATURES = "--features"
WORDS = ("--template", "--descriptions", "--prompt-texts")
"""Options about the words of the classes."""


@dataclass(frozen=True)
class EvidenceOptions:
    """Numbers and words of the user's own, for recipe `evidence`.

    Attributes:
        embeddings: file with (N, D) features, that head, neighbours and near copies look at.
        pred_probs: file with (N, K) probabilities of the classes, of a model that has not learned
            the labels of the rows it speaks of.
        features: timm's name of a model whose features head, neighbours and near copies look at.
        features_weights: its weights, a file or folder; None for its own by name.
        template: texts with `{}` for the class name; zero-shot takes the mean of all.
        descriptions: file with texts of each class; zero-shot takes the mean of all.
        prompt_texts: DEFT's prompts are made around these texts too, not around class names.
    """

    embeddings: Path | None = setting(
        None,
        "Your own features, in place of the model's for head, neighbours and near copies: .npy, "
        ".safetensors, .parquet or .csv, a line for each row or with a column file_name.",
        panel=_PANEL,
    )
    pred_probs: Path | None = setting(
        None,
        "Your own out-of-sample probabilities of the classes, as one more witness: such a file "
        "with a column for each class.",
        panel=_PANEL,
    )
    features: str | None = setting(
        None,
        "A model of timm's, such as vit_small_patch14_dinov2, whose features head, neighbours and "
        "near copies look at in place of CLIP's.",
        panel=_PANEL,
    )
    features_weights: Path | None = setting(
        None, "Its weights: a file, or a folder of timm's. Default: its own, fetched.", panel=_PANEL
    )
    template: Sequence[str] | None = setting(
        None,
        "Text that zero-shot compares with, {} for the class name: 'a satellite photo of {}'. "
        "Repeatable: the mean of all. Default: 'a photo of a {}'.",
        panel=_PANEL,
    )
    descriptions: Path | None = setting(
        None,
        "Texts that describe the classes, several for each, whose mean zero-shot compares with: a "
        "JSON object from class to a list of texts, or a table with columns label and text.",
        panel=_PANEL,
    )
    prompt_texts: bool = setting(
        False,
        "DEFT's prompts are made around the texts of --template and --descriptions too, a class "
        "being their mean, in place of the class names. A training step encodes every text.",
        panel=_PANEL,
    )

    def __post_init__(self) -> None:
        if isinstance(self.template, str):
            object.__setattr__(self, "template", (self.template,))

    @property
    def files(self) -> list[Path | None]:
        """That are read, and that no output may replace."""
        return [self.embeddings, self.pred_probs, self.features_weights, self.descriptions]

    @property
    def given(self) -> list[str]:
        """Options that were given, as they are typed."""
        options = {
            EMBEDDINGS: self.embeddings,
            PRED_PROBS: self.pred_probs,
            FEATURES: self.features,
            "--features-weights": self.features_weights,
            "--template": self.template,
            "--descriptions": self.descriptions,
            "--prompt-texts": self.prompt_texts or None,
        }
        return [option for option, value in options.items() if value is not None]

    def check(self, evidence: bool, model: str | None, others: dict[str, Any]) -> None:
        """Refuse what does not go together.

        Args:
            evidence: whether the recipe is `evidence`.
            model: as `--model` names it.
            others: further options by their name, and whether they were given.

        Raises:
            UsageError: all of it.
        """
        self._check_values()
        if not evidence and self.given:
            raise UsageError(
                f"{', '.join(self.given)}: for --recipe evidence alone.",
                "Leave it out, or leave --recipe out.",
            )
        if model != NO_MODEL:
            return
        if (self.embeddings or self.pred_probs or self.features) is None:
            raise UsageError(
                "--model none: without a model there is nothing to judge by.",
                f"Give {EMBEDDINGS} FILE, {PRED_PROBS} FILE or {FEATURES} NAME.",
            )
        unfit = [name for name in self.given if name in WORDS]
        unfit += [name for name, value in others.items() if value]
        if not evidence:
            unfit.append("--recipe")
        if unfit:
            raise UsageError(
                f"{', '.join(unfit)}: nothing is loaded or trained with --model none.",
                "Leave it out, of deftclean.toml too, or name a model.",
            )

    def refuse_with(self, class_specific: bool) -> None:
        """Refuse contexts of each class around texts, which share theirs.

        Raises:
            UsageError: both were asked for.
        """
        if self.prompt_texts and class_specific:
            raise UsageError(
                "--prompt-texts and --class-specific exclude each other: all texts share contexts.",
                "Leave one out.",
            )

    def _check_values(self) -> None:
        wrong = [text for text in self.template or () if text.count("{}") != 1]
        if wrong:
            raise UsageError(
                f"--template {wrong[0]!r} has no place for the class name.",
                "Write {} once, where the class name goes: 'a satellite photo of {}'.",
            )
        if self.prompt_texts and self.template is None and self.descriptions is None:
            raise UsageError(
                "--prompt-texts: there are no texts for prompts.",
                "Give some: --template 'a satellite photo of {}', or --descriptions FILE.",
            )
        if self.features is not None and self.embeddings is not None:
            raise UsageError(
                f"{EMBEDDINGS} and {FEATURES} exclude each other: both say what is looked at.",
                "Leave one out.",
            )
        if self.features is None and self.features_weights is not None:
            raise UsageError("--features-weights goes with --features NAME.")
