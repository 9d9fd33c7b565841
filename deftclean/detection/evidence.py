"""The default way of selecting rows: every witness is heard, and one probability comes of it.

The order of the work: the untuned features, the detectors of two halves, neighbours, the head, the
pool that weighs them, and last the verdict on every row. docs/method.md has the equations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deftclean.core.errors import InputError
from deftclean.core.progress import Progress
from deftclean.core.runtime import stream
from deftclean.detection.cross_fit import KeptHalf, cross_fit, positive_part
from deftclean.detection.judging import (
    Verdict,
    corrected_by_people,
    given_labels,
    judge_rows,
    known_of,
    reliability_of,
    strangers_of,
)
from deftclean.detection.task import Outcome, Task
from deftclean.detection.warnings import evidence_warnings, warned
from deftclean.evidence.decision import keep_threshold
from deftclean.evidence.given_labels import GivenLabels
from deftclean.evidence.head import fit_head
from deftclean.evidence.known import Known
from deftclean.evidence.near_copies import near_groups_among
from deftclean.evidence.neighbours import Index, NeighbourWitness, find_neighbours
from deftclean.evidence.pool import Pool, Testimony
from deftclean.evidence.rates import noise_rates
from deftclean.evidence.saved import KeptEvidence
from deftclean.evidence.weigh import first_noise, mean_noise, priced, testify, weigh
from deftclean.evidence.witness import Averaged, LinearWitness, Witness, zero_shot_witness
from deftclean.features.pictures import RunPictures
from deftclean.features.scoring import (
    DetectorScorer,
    DetectorScores,
    ZeroShotScores,
    zero_shot_texts,
)
from deftclean.models.detector import DualPromptDetector


def weigh_rows(task: Task, threshold: float | None, keeping: Sequence[KeptHalf]) -> Outcome:
    """Hear all witnesses and judge every readable row.

    Args:
        task: the data, with untuned features.
        threshold: `clean_prob` above which a row is kept; None to choose it, see
            `deftclean.evidence.decision`.
        keeping: of each half's training.

    Raises:
        InputError: there are not two labelled pictures.
        CollapseError, UsageError: as `deftclean.detection.deft.detect_rows`.
    """
    pictures, seed = task.pictures, task.config.seed
    given = given_labels(pictures.rows, task.classes)
    known = known_of(pictures.rows, task.manifest)
    learned = known.corrected(given)
    if len(np.unique(learned.pictures)) < 2:
        raise InputError(
            "All labelled rows show the same picture: there is nothing to compare it with.",
            "Give more pictures, or use --recipe deft.",
        )
    said = warned(task.progress, _contradictions(known))
    halves = learned.folds(2, stream(seed, "halves"))
    fitted = cross_fit(task, halves, known, keeping)
    witnesses, testimony, first, chosen = _witnesses(task, given, known, learned, fitted.witness)
    names = [each.name for each in witnesses.all]
    belief = weigh(testimony, names, first, chosen)
    belief = corrected_by_people(belief, witnesses.all, given, known)
    with task.progress.stage("Weighing the evidence", given.count) as advance:
        judged = judge_rows(
            belief,
            witnesses.all,
            given,
            pictures.by_picture,
            known,
            lambda done: advance(done, ""),
        )
    labelled = task.labelled(judged.rows)
    clean = judged.clean_prob[labelled]
    rates = noise_rates(
        belief,
        testimony.of(chosen),
        clean,
        pictures.rows.labels[judged.rows[labelled]],
    )
    foretold = reliability_of(judged, pictures.rows)
    own = fitted.scores.clean_prob
    odd = strangers_of(judged, witnesses.neighbours, task.zero_shot, pictures.rows)
    verdict = Verdict(judged, own, rates, foretold, belief.weights, belief.informed, odd)
    warnings = [*said, *fitted.warnings, *evidence_warnings(verdict, task.progress)]
    if threshold is None:
        open_rows = known.leaves_open(pictures.rows.pictures[judged.rows[labelled]])
        threshold = keep_threshold(clean[open_rows], belief.informed)
    scores = DetectorScores(
        judged.rows,
        judged.clean_prob.astype(np.float32),
        judged.suggested,
        fitted.scores.predicted,
        fitted.scores.predicted_prob,
    )
    kept = KeptEvidence.of(belief, witnesses.head, witnesses.neighbours, stream(seed, "part"))
    return Outcome(
        scores,
        "threshold",
        threshold,
        fitted.detectors,
        fitted.epochs,
        warnings,
        verdict,
        kept,
        near_groups_among(witnesses.neighbours),
    )


@dataclass(frozen=True)
class _Witnesses:
    """All that there are."""

    zero_shot: LinearWitness
    deft: LinearWitness
    head: LinearWitness
    neighbours: NeighbourWitness

    @property
    def all(self) -> list[Witness]:
        """In the order of their names."""
        return [self.zero_shot, self.deft, self.head, self.neighbours]


def _witnesses(
    task: Task, given: GivenLabels, known: Known, learned: GivenLabels, deft: LinearWitness
) -> tuple[_Witnesses, Testimony, Pool, NDArray[np.bool_]]:
    """All of them, what they say, and what `priced` says of that.

    The head is fitted twice, the second time through what all of them say of the noise. Head and
    neighbours learn from `learned`, the labels with what is known in place of what was given.
    """
    untuned, seed, device = task.untuned, task.config.seed, task.pictures.runtime.device
    assert untuned is not None  # noqa: S101 - embedded for this
    take = untuned.embeddings.take
    zero_shot = zero_shot_of(untuned, task.manifest.class_names)
    with task.progress.stage("Comparing neighbours", given.count) as advance:
        neighbours = find_neighbours(
            Index.of(take, learned, device),
            take,
            np.arange(given.count),
            lambda done: advance(done, ""),
        )

    def testimony(witnesses: Sequence[Witness]) -> Testimony:
        return testify(witnesses, given, known, stream(seed, "part"))

    def head_through(noise: NDArray[np.float64]) -> LinearWitness:
        folds = stream(seed, "folds")
        return fit_head(take, zero_shot.parts[0], learned, noise, folds, device)

    with task.progress.stage("Fitting the head", 2) as advance:
        head = head_through(first_noise(testimony([zero_shot, neighbours])))
        advance(1, "")
        found = _Witnesses(zero_shot, deft, head, neighbours)
        names = [each.name for each in found.all]
        heard = testimony(found.all)
        first, chosen = priced(heard)
        if chosen[names.index("head")]:  # one that nobody hears need not be better
            found = replace(found, head=head_through(mean_noise(first, heard)))
            heard = testimony(found.all)
            first, chosen = priced(heard)
        advance(1, "")
    return found, heard, first, chosen


def _contradictions(known: Known) -> list[str]:
    if not known.contradicted:
        return []
    return [
        f"people decided about {known.contradicted:,} pictures in ways that contradict each other; "
        "what they said of these pictures is not used"
    ]


def zero_shot_of(untuned: RunPictures, class_names: tuple[str, ...]) -> LinearWitness:
    """The untrained model as a witness.

    Args:
        untuned: pictures with their embeddings.
        class_names: K.
    """
    encoder = untuned.session.loaded.encoder
    texts = zero_shot_texts(encoder, class_names, untuned.runtime).cpu()
    count = len(untuned.rows.distinct)
    return zero_shot_witness(untuned.embeddings.take, texts, float(encoder.logit_scale), count)


def judge_new_rows(
    untuned: RunPictures,
    detectors: Sequence[tuple[DualPromptDetector, RunPictures]],
    kept: KeptEvidence,
    class_names: tuple[str, ...],
    known: Known,
    zero_shot: ZeroShotScores,
    progress: Progress,
) -> tuple[DetectorScores, Verdict]:
    """The verdict of an earlier scan on pictures that it has not seen.

    Args:
        untuned: all pictures, with their untuned features.
        detectors: of the scan's halves, and the same pictures, each with files of its own.
        kept: the scan's evidence.
        class_names: its K classes.
        known: what people know of the pictures.
        zero_shot: what the untrained model says of them.
        progress: told what happens.
    """
    rows = untuned.rows
    count = len(rows.distinct)
    take, whole = untuned.embeddings.take, np.zeros(count, dtype=np.int64)
    scored, halves = [], []
    for detector, pictures in detectors:
        scorer = DetectorScorer(detector, pictures.by_picture, pictures.runtime)
        spool = pictures.spool_of_features()
        with progress.stage("Scoring", count) as advance:
            for batch, image in pictures.in_order(detector.image_features):
                scorer.add(batch, image)
                spool.put(batch.numpy(), image.float().cpu().numpy())
                advance(len(batch), "")
        scored.append(scorer.scores())
        part = positive_part(detector, pictures)
        halves.append(LinearWitness("deft", spool.take, [part], whole))
    witnesses: list[Witness] = [
        zero_shot_of(untuned, class_names),
        Averaged("deft", halves),
        LinearWitness("head", take, [kept.head], whole),
    ]
    found = None
    if kept.index is not None:
        new = np.full(count, -1, dtype=np.int64)
        with progress.stage("Comparing neighbours", count) as advance:
            found = find_neighbours(kept.index, take, new, lambda done: advance(done, ""))
        witnesses.append(found)
    given = given_labels(rows, len(class_names))
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
    own = ((first.clean_prob + second.clean_prob) / 2).astype(np.float32)
    scores = DetectorScores(
        judged.rows,
        judged.clean_prob.astype(np.float32),
        judged.suggested,
        np.where(sure, first.predicted, second.predicted),
        np.where(sure, first.predicted_prob, second.predicted_prob),
    )
    weights, informed = kept.belief.weights, kept.belief.informed
    odd = strangers_of(judged, found, zero_shot, rows)
    verdict = Verdict(judged, own, None, reliability_of(judged, rows), weights, informed, odd)
    return scores, verdict
