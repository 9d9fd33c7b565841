"""The default way of selecting rows: every witness is heard, and one probability comes of it.

The order of the work: the untuned features, the detectors of two halves, neighbours, the head, the
pool that weighs them, and last the verdict on every row. docs/method.md has the equations.
"""

from collections.abc import Sequence

import numpy as np

from deftclean.core.runtime import stream
from deftclean.detection.cross_fit import KeptHalf, cross_fit
from deftclean.detection.task import Outcome, Task
from deftclean.detection.warnings import contradictions, evidence_warnings, warned
from deftclean.evidence.near_copies import near_groups_among
from deftclean.evidence.saved import KeptEvidence
from deftclean.evidence.witness import LinearWitness, zero_shot_witness
from deftclean.features.class_texts import ClassTexts, plain_texts
from deftclean.features.pictures import RunPictures
from deftclean.features.scoring import DetectorScores, zero_shot_texts
from deftclean.hearing.hear import Speakers, hear, labels_of_pictures, weighed
from deftclean.hearing.own_numbers import OwnNumbers


def weigh_rows(
    task: Task, threshold: float | None, keeping: Sequence[KeptHalf], own: OwnNumbers
) -> Outcome:
    """Hear all witnesses and judge every readable row.

    Args:
        task: the data, with untuned features.
        threshold: `clean_prob` above which a row is kept; None to choose it, see
            `deftclean.evidence.decision`.
        keeping: of each half's training.
        own: what the user brought beside the model.

    Raises:
        InputError: there are not two labelled pictures.
        CollapseError, UsageError: as `deftclean.detection.deft.detect_rows`.
    """
    pictures, untuned, seed = task.pictures, task.untuned, task.config.seed
    assert untuned is not None  # noqa: S101 - embedded for this
    labels = labels_of_pictures(pictures.rows, task.manifest, task.progress)
    said = warned(task.progress, contradictions(labels.known))
    halves = labels.learned.folds(2, stream(seed, "halves"))
    fitted = cross_fit(task, halves, labels.known, keeping)
    speakers = Speakers(
        zero_shot_of(untuned, own.texts or plain_texts(task.manifest.class_names)),
        fitted.witness,
        own.witness,
        own.features or untuned.embeddings.take,
    )
    hearing = hear(speakers, labels, seed, pictures.runtime.device, task.progress)
    head, neighbours = hearing.head, hearing.neighbours
    assert head is not None and neighbours is not None  # noqa: S101, PT018 - there are features
    own_scores = fitted.scores.clean_prob
    found = weighed(hearing, labels, pictures.rows, own_scores, task.zero_shot, task.progress)
    judged, tuned = found.verdict.judged, fitted.scores
    scores = DetectorScores(
        judged.rows,
        judged.clean_prob.astype(np.float32),
        judged.suggested,
        tuned.predicted,
        tuned.predicted_prob,
    )
    return Outcome(
        scores,
        "threshold",
        found.threshold if threshold is None else threshold,
        fitted.detectors,
        fitted.epochs,
        [*said, *fitted.warnings, *evidence_warnings(found.verdict, task.progress)],
        found.verdict,
        KeptEvidence.of(found.belief, head, neighbours, stream(seed, "part"), own.card),
        near_groups_among(neighbours),
    )


def zero_shot_of(untuned: RunPictures, texts: ClassTexts) -> LinearWitness:
    """The untrained model as a witness.

    Args:
        untuned: pictures with their embeddings.
        texts: of the K classes.
    """
    encoder = untuned.session.loaded.encoder
    features = zero_shot_texts(encoder, texts, untuned.runtime).cpu()
    count = len(untuned.rows.distinct)
    return zero_shot_witness(untuned.embeddings.take, features, float(encoder.logit_scale), count)
