"""What `score` was given beside the data, checked against what the scan of its detector had."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from deftclean.core.errors import InputError, UsageError
from deftclean.core.run import RunOptions
from deftclean.data.manifest import Manifest
from deftclean.data.options import ManifestOptions
from deftclean.detection.scan import check_compile, check_threshold
from deftclean.hearing.brought import Brought, read_brought
from deftclean.models.detector_card import DetectorCard, read_card
from deftclean.settings.detector import Rule
from deftclean.settings.evidence import EMBEDDINGS, FEATURES, PRED_PROBS, WORDS, EvidenceOptions


@dataclass(frozen=True)
class Asked:
    """How rows are to be scored, whole or in parts.

    Attributes:
        home, card: the detector's folder and what it says of itself.
        rule, threshold: of `keep`.
        reading: how the input is read; its labels are those of the detector.
        evidence: what the user brought.
    """

    home: Path
    card: DetectorCard
    rule: Rule
    threshold: float
    reading: ManifestOptions
    evidence: EvidenceOptions

    @classmethod
    def of(
        cls,
        home: Path,
        rule: Rule | None,
        threshold: float | None,
        reading: ManifestOptions | None,
        evidence: EvidenceOptions,
        run: RunOptions,
    ) -> "Asked":
        """From the arguments of `score`; None for what the detector says.

        Raises:
            UsageError: they are wrong, or do not go with the detector.
            InputError: the folder is no detector, or damaged.
        """
        card = read_card(home)
        threshold = card.threshold if threshold is None else threshold
        check_threshold(threshold)
        check_compile(run, card.config)
        evidence.check(True, None, {})
        _check_evidence(evidence, card, home)
        reading = replace(reading or ManifestOptions(), known_labels=card.label_names)
        return cls(home, card, rule or card.rule, threshold, reading, evidence)

    def brought(self, manifest: Manifest, say: Callable[[str], None]) -> Brought:
        """What the user brought, read, with the texts that the scan compared with.

        Raises:
            InputError: files that cannot be read, or do not fit.
        """
        made = read_brought(self.evidence, manifest, self.card.class_names, say)
        return _as_in_scan(made, self.card, self.home)


def _check_evidence(evidence: EvidenceOptions, card: DetectorCard, home: Path) -> None:
    """Refuse to judge by other things than the scan did.

    Raises:
        UsageError: all that is missing, or was not there.
    """
    facts = card.evidence
    if facts is None and evidence.given:
        raise UsageError(
            f"{', '.join(evidence.given)}: {home} judges by its detector alone.", "Leave it out."
        )
    if facts is None:
        return
    wrong = [name for name in WORDS if name in evidence.given]
    if wrong:
        raise UsageError(
            f"{', '.join(wrong)}: {home} has the texts that its scan compared with.",
            "Leave it out.",
        )
    features = facts.get("features") or {}
    needed = {
        EMBEDDINGS: features.get("from") == EMBEDDINGS,
        FEATURES: features.get("from") == FEATURES,
        PRED_PROBS: "own" in facts.get("witnesses", {}),
    }
    missing = [name for name, used in needed.items() if used and name not in evidence.given]
    if missing:
        raise UsageError(
            f"{home} was made with {' and '.join(missing)}, and judges by them.",
            f"Give them for these rows too: {' '.join(f'{name} ...' for name in missing)}",
        )
    unused = [name for name, used in needed.items() if not used and name in evidence.given]
    if unused:
        raise UsageError(
            f"{', '.join(unused)}: the scan that made {home} heard no such thing.", "Leave it out."
        )


def _as_in_scan(brought: Brought, card: DetectorCard, home: Path) -> Brought:
    """With the texts of the classes that the scan compared with.

    Raises:
        InputError: embeddings of another size, or damaged texts.
    """
    facts = card.evidence or {}
    size = (facts.get("features") or {}).get("size")
    own = brought.embeddings
    if own is not None and own.values.shape[1] != size:
        raise InputError(
            f"{own.option} {own.path} has {own.values.shape[1]:,} numbers a row; those of the scan "
            f"had {size:,}.",
            "Give embeddings of the same model.",
        )
    texts = facts.get("texts")
    if texts is None:
        return brought
    if len(texts) != len(card.class_names) or [] in texts:
        raise InputError(f"{home} is damaged: of its evidence, 'texts'.")
    return replace(brought, texts=tuple(map(tuple, texts)), own_texts=True)
