"""What may make a result useless, in words: for the terminal and for the table's metadata."""

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from deftclean.core.metrics import beyond_chance
from deftclean.core.progress import Progress
from deftclean.core.text import few
from deftclean.data.manifest import Manifest
from deftclean.detection.train import MIN_SEPARATION, EpochMetrics
from deftclean.evidence.known import Known
from deftclean.evidence.rates import LEVEL
from deftclean.features.scoring import ZeroShotScores
from deftclean.hearing.judging import Verdict
from deftclean.images.usable_rows import UsableRows
from deftclean.models.detector_card import DetectorCard

_INFORMED = 0.5  # belief that witnesses know something, below which the data cannot be judged
_FEW_ROWS = 10  # a class, on average; half of them are left out of each half's training
_RARE = 5  # rows of a class, of which each half sees two
_MOST = 0.9  # share of the rows in one class
_MIN_KAPPA = 0.1  # zero-shot agreement beyond chance, below which its model knows nothing


def _zero_shot_agreement(zero_shot: ZeroShotScores, rows: UsableRows) -> tuple[float, float]:
    """Share of labelled rows where zero-shot says the given label, and Cohen's kappa."""
    labelled = rows.labelled[zero_shot.rows]
    given, said = rows.labels[zero_shot.rows][labelled], zero_shot.predicted[labelled]
    if not len(given):
        return math.nan, math.nan
    size = int(max(given.max(), said.max())) + 1
    both = np.bincount(given, minlength=size) * np.bincount(said, minlength=size)
    agreed = int((given == said).sum())
    return agreed / len(given), beyond_chance(agreed, len(given), int(both.sum()))


def agreement_with_zero_shot(zero_shot: ZeroShotScores, rows: UsableRows) -> float | None:
    """Share of labelled rows where zero-shot says the given label; None where there are none."""
    agree, _ = _zero_shot_agreement(zero_shot, rows)
    return None if math.isnan(agree) else agree


def zero_shot_warnings(
    zero_shot: ZeroShotScores, rows: UsableRows, progress: Progress
) -> list[str]:
    """The model does not know these pictures."""
    return warned(progress, about_zero_shot(*_zero_shot_agreement(zero_shot, rows)))


def about_zero_shot(agree: float, kappa: float) -> list[str]:
    """The model does not know these pictures, in words.

    Args:
        agree: share of labelled rows where zero-shot says the given label; NaN without any.
        kappa: the same beyond chance.
    """
    if math.isnan(agree) or kappa >= _MIN_KAPPA:
        return []
    return [
        f"zero-shot agrees with {agree:.1%} of the given labels, hardly above chance: the model "
        "does not know these pictures, or the class names are not words it knows; give plain "
        "names with --class-names FILE or another --model"
    ]


def data_warnings(rows: UsableRows, class_names: Sequence[str], progress: Progress) -> list[str]:
    """Data of which little can be said, whatever is trained: few rows, rare classes, one class.

    Args:
        rows: those that are trained on.
        class_names: K.
        progress: told.
    """
    counts = np.bincount(rows.labels[rows.trainable], minlength=len(class_names))
    total, classes = int(counts.sum()), len(class_names)
    warnings = []
    if total < _FEW_ROWS * classes:
        warnings.append(
            f"{total:,} rows of {classes:,} classes, {total / classes:.1f} for each: too few to "
            f"judge single rows well; below {_FEW_ROWS} for each the ranking is rough and rates "
            "are uncertain"
        )
    rare = np.flatnonzero(counts < _RARE).tolist()
    if rare and total >= _FEW_ROWS * classes:
        listed = few([f"{class_names[index]!r} ({counts[index]:,})" for index in rare])
        warnings.append(
            f"{len(rare):,} of {classes:,} classes have fewer than {_RARE} rows, too few to learn "
            f"what they look like: {listed}"
        )
    largest = int(counts.argmax())
    if counts[largest] > _MOST * total:
        warnings.append(
            f"{class_names[largest]!r} has {counts[largest]:,} of {total:,} rows "
            f"({counts[largest] / total:.0%}): mistakes in the other classes weigh little in all "
            "rates; look at them class by class"
        )
    return warned(progress, warnings)


def training_warnings(
    epochs: list[EpochMetrics],
    zero_shot: ZeroShotScores,
    rows: UsableRows,
    manifest: Manifest,
    progress: Progress,
) -> list[str]:
    """Training did not learn what it was to learn, though nothing collapsed."""
    warnings = []
    # After warm-up only rows judged clean are fitted, and the loss over all rows says little.
    fitted = [metrics for metrics in epochs if metrics.warmup] or epochs
    loss, chance = fitted[-1].cross_entropy, math.log(len(manifest.class_names))
    usual = -float(zero_shot.log_prob[rows.labelled[zero_shot.rows]].mean())
    if loss > 0.95 * chance:
        warnings.append(
            f"the loss is {loss:.2f} after warm-up, near or above chance ({chance:.2f} = ln K): "
            "the labels seem to have little to do with the pictures"
        )
    elif loss > usual:
        warnings.append(
            f"the loss after warm-up ({loss:.2f}) is above zero-shot's own ({usual:.2f}): training "
            "did not help; try a lower --lr or more --warmup epochs"
        )
    if epochs[-1].separation < MIN_SEPARATION:
        warnings.append(
            f"separation ended at {epochs[-1].separation:.2f} (0.5 is chance): the detector cannot "
            "tell given labels from random ones; give more --warmup and --epochs"
        )
    return warned(progress, warnings)


def contradictions(known: Known) -> list[str]:
    """People contradict each other."""
    if not known.contradicted:
        return []
    return [
        f"people decided about {known.contradicted:,} pictures in ways that contradict each other; "
        "what they said of these pictures is not used"
    ]


def evidence_warnings(verdict: Verdict, progress: Progress) -> list[str]:
    """Say who was heard and how much is wrong; warn where nobody knows."""
    heard = [f"{name.replace('_', '-')} {weight:.2f}" for name, weight in verdict.weights.items()]
    progress.say(f"weights of the witnesses that are heard: {', '.join(heard)}")
    assert verdict.rates is not None  # noqa: S101 - of a scan
    rate = verdict.rates.overall
    between = f"{rate.low:.1%} and {rate.high:.1%}"
    sure = f"with probability {LEVEL:.0%} between {between}"
    progress.say(f"wrong labels: about {rate.estimate:.1%}, {sure}")
    if verdict.informed >= _INFORMED:
        return []
    return warned(
        progress,
        [
            "no witness can tell these labels from random ones: the data cannot be judged with "
            f"this model. The noise rate may be anything between {between}, and nothing is flagged "
            "as certain; give plain names with --class-names FILE, or another --model"
        ],
    )


def unknown_label_warnings(
    manifest: Manifest, rows: UsableRows, card: DetectorCard, progress: Progress
) -> list[str]:
    """Labels of new data that are none of the detector's classes."""
    others = manifest.given_labels.filter(pa.array(~rows.labelled))
    unknown = sorted(others.drop_null().unique().to_pylist())
    return warned(progress, about_unknown_labels(unknown, len(card.class_names)))


def about_unknown_labels(unknown: Sequence[str], classes: int) -> list[str]:
    """The same in words.

    Args:
        unknown: labels, sorted.
        classes: K.
    """
    if not unknown:
        return []
    listed = ", ".join(map(repr, unknown[:5])) + (" and more" if len(unknown) > 5 else "")
    return [
        f"{len(unknown)} label(s) are none of the detector's {classes} classes: {listed}; their "
        "rows have status unknown_label"
    ]


def warned(progress: Progress, warnings: list[str]) -> list[str]:
    """Show warnings, and give them back."""
    for text in warnings:
        progress.warn(text)
    return warnings
