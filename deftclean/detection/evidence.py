"""The default way of selecting rows: every witness is heard, and one probability comes of it.

The order of the work: the untuned features, the detectors of two halves, neighbours, the head, the
pool that weighs them, and last the verdict on every row. docs/method.md has the equations.
"""

from collections.abc import Sequence

import numpy as np

from deftclean.core.progress import Progress
from deftclean.core.runtime import stream
from deftclean.detection.cross_fit import KeptHalf, cross_fit, positive_part
from deftclean.detection.task import Outcome, Task
from deftclean.detection.warnings import contradictions, evidence_warnings, warned
from deftclean.evidence.head import head_features
from deftclean.evidence.known import Known
from deftclean.evidence.near_copies import near_groups_among
from deftclean.evidence.neighbours import find_neighbours
from deftclean.evidence.saved import KeptEvidence
from deftclean.evidence.witness import Averaged, LinearWitness, Witness, zero_shot_witness
from deftclean.features.class_texts import ClassTexts, plain_texts
from deftclean.features.pictures import RunPictures
from deftclean.features.scoring import (
    DetectorScorer,
    DetectorScores,
    ZeroShotScores,
    zero_shot_texts,
)
from deftclean.hearing.hear import Speakers, hear, labels_of_pictures, weighed
from deftclean.hearing.judging import (
    Verdict,
    given_labels,
    judge_rows,
    reliability_of,
    strangers_of,
)
from deftclean.hearing.own_numbers import OwnNumbers
from deftclean.models.detector import DualPromptDetector


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
    labels = labels_of_pictures(pictures.rows, task.manifest)
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


def judge_new_rows(
    untuned: RunPictures,
    detectors: Sequence[tuple[DualPromptDetector, RunPictures]],
    kept: KeptEvidence,
    own: OwnNumbers,
    texts: ClassTexts,
    known: Known,
    zero_shot: ZeroShotScores,
    progress: Progress,
) -> tuple[DetectorScores, Verdict]:
    """The verdict of an earlier scan on pictures that it has not seen.

    Args:
        untuned: all pictures, with their untuned features.
        detectors: of the scan's halves, and the same pictures, each with files of its own.
        kept: the scan's evidence.
        own: what the user brought; features are those of the scan's kind.
        texts: of its K classes.
        known: what people know of the pictures.
        zero_shot: what the untrained model says of them.
        progress: told what happens.
    """
    rows = untuned.rows
    count = len(rows.distinct)
    take, whole = own.features or untuned.embeddings.take, np.zeros(count, dtype=np.int64)
    scored, halves = [], []
    for detector, pictures in detectors:
        scorer = DetectorScorer(detector, pictures.by_own_picture, pictures.runtime)
        spool = pictures.spool_of_features()
        with progress.stage("Scoring", len(pictures.own())) as advance:
            for batch, image in pictures.in_order(detector.image_features):
                scorer.add(batch, image)
                spool.put(batch.numpy(), image.float().cpu().numpy())
                advance(len(batch), "")
        pictures.share_spool()
        scored.append(scorer.scores())
        part = positive_part(detector, pictures)
        halves.append(LinearWitness("deft", spool.take, [part], whole))
    untrained = zero_shot_of(untuned, texts)
    witnesses: list[Witness] = [
        untrained,
        Averaged("deft", halves),
        LinearWitness("head", head_features(take, untrained), [kept.head], whole),
    ]
    found = None
    if kept.index is not None:
        new = np.full(count, -1, dtype=np.int64)
        with progress.stage("Comparing neighbours", count) as advance:
            found = find_neighbours(kept.index, take, new, lambda done: advance(done, ""))
        witnesses.append(found)
    if own.witness is not None:
        witnesses.append(own.witness)
    given = given_labels(rows, len(texts))
    with progress.stage("Weighing the evidence", count) as advance:
        judged = judge_rows(
            kept.belief,
            witnesses,
            given,
            untuned.by_picture,
            known,
            lambda done: advance(done, ""),
        )
    first, second = scored
    sure = first.predicted_prob >= second.predicted_prob
    p_clean = ((first.clean_prob + second.clean_prob) / 2).astype(np.float32)
    scores = DetectorScores(
        judged.rows,
        judged.clean_prob.astype(np.float32),
        judged.suggested,
        np.where(sure, first.predicted, second.predicted),
        np.where(sure, first.predicted_prob, second.predicted_prob),
    )
    weights, informed = kept.belief.weights, kept.belief.informed
    foretold = reliability_of(judged, rows)
    odd = strangers_of(judged, found, zero_shot, rows)
    verdict = Verdict(judged, p_clean, None, foretold, weights, informed, odd)
    return scores, verdict
