"""What `score` was given beside the data, checked against what the scan of its detector had."""

from dataclasses import replace
from pathlib import Path

from deftclean.core.errors import InputError, UsageError
from deftclean.hearing.brought import Brought
from deftclean.models.detector_card import DetectorCard
from deftclean.settings.evidence import EMBEDDINGS, FEATURES, PRED_PROBS, EvidenceOptions


def check_evidence(evidence: EvidenceOptions, card: DetectorCard, home: Path) -> None:
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
    wrong = [name for name in ("--template", "--descriptions") if name in evidence.given]
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


def as_in_scan(brought: Brought, card: DetectorCard, home: Path) -> Brought:
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
