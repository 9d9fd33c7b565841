"""What a saved detector and its witnesses say of pictures that no scan has seen, and the verdict.

All comparisons are made in batches of one size, filled up where there is less: in a product of
other shapes a number may round differently, and it would show in which company a row was judged.

Shapes: U distinct pictures, K classes, n readable rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deftclean.core.progress import Progress
from deftclean.detection.cross_fit import positive_part
from deftclean.detection.evidence import zero_shot_of
from deftclean.evidence.head import head_features
from deftclean.evidence.known import Known
from deftclean.evidence.neighbours import NeighbourWitness, find_neighbours
from deftclean.evidence.saved import KeptEvidence
from deftclean.evidence.witness import Averaged, LinearWitness, Take, Witness, WitnessName
from deftclean.features.class_texts import ClassTexts
from deftclean.features.pictures import RunPictures
from deftclean.features.scoring import DetectorScorer, DetectorScores, RowsByPicture
from deftclean.hearing.judging import Verdict, given_labels, judge_rows, reliability_of
from deftclean.hearing.own_numbers import OwnNumbers
from deftclean.images.usable_rows import UsableRows
from deftclean.models.detector import DualPromptDetector
from deftclean.training.picture_sets import SCORING_BATCH


@dataclass(frozen=True)
class Filled:
    """A witness that is asked about some of the pictures it knows, always as many at once.

    Attributes:
        witness: who is asked.
        picture_of: (n,) the picture that each of those stands for that one asks about here.
    """

    witness: Witness
    picture_of: NDArray[np.int64]

    @property
    def name(self) -> WitnessName:
        """See `Witness`."""
        return self.witness.name

    def log_probs(self, pictures: NDArray[np.int64]) -> Tensor:
        """See `Witness`."""
        asked = self.picture_of[pictures]
        fill = np.repeat(asked[-1:], -len(asked) % SCORING_BATCH)
        batches = np.concatenate([asked, fill]).reshape(-1, SCORING_BATCH)
        return torch.cat([self.witness.log_probs(batch) for batch in batches])[: len(asked)]


@dataclass(frozen=True)
class Heard:
    """What is said of U pictures.

    Attributes:
        witnesses: of the pictures.
        found: their neighbours, one of the witnesses; None where none were looked for.
        halves: scores of the readable rows by the detector of each half.
    """

    witnesses: Sequence[Witness]
    found: NeighbourWitness | None
    halves: tuple[DetectorScores, DetectorScores]


def hear_new_rows(
    untuned: RunPictures,
    detectors: Sequence[tuple[DualPromptDetector, RunPictures]],
    kept: KeptEvidence,
    own: OwnNumbers,
    texts: ClassTexts,
    progress: Progress,
) -> Heard:
    """Ask everybody whom the scan has heard.

    Args:
        untuned: all pictures, with their untuned features.
        detectors: of the scan's halves, and the same pictures, each with files of its own.
        kept: the scan's evidence.
        own: what the user brought; features are those of the scan's kind.
        texts: of its K classes.
        progress: told what happens.
    """
    count = len(untuned.rows.distinct)
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
    found = None if kept.index is None else _neighbours(kept, take, count, progress)
    witnesses += [] if found is None else [found]
    witnesses += [] if own.witness is None else [own.witness]
    first, second = scored
    return Heard(witnesses, found, (first, second))


def _neighbours(
    kept: KeptEvidence, take: Take, count: int, progress: Progress
) -> NeighbourWitness | None:
    """Of all pictures, in batches that are filled with the last of them."""
    assert kept.index is not None  # noqa: S101 - asked for where there is one
    filled = count + -count % SCORING_BATCH

    def features(pictures: NDArray[np.int64]) -> Tensor:
        return take(np.minimum(pictures, count - 1))

    new = np.full(filled, -1, dtype=np.int64)
    with progress.stage("Comparing neighbours", filled) as advance:
        return find_neighbours(
            kept.index, features, new, lambda done: advance(done, ""), SCORING_BATCH
        )


def verdict_on(
    kept: KeptEvidence,
    heard: Heard,
    rows: UsableRows,
    picture_of: NDArray[np.int64],
    known: Known,
    agreement: NDArray[np.float64] | None,
    progress: Progress,
) -> tuple[DetectorScores, Verdict]:
    """The verdict of an earlier scan; nothing is said of strangers.

    Args:
        kept: the scan's evidence.
        heard: what is said of the pictures.
        rows: whose labels are judged; those that show one picture are judged together.
        picture_of: (len(rows.distinct),) which of the pictures heard about is meant by each.
        known: what people know of them.
        agreement: (N,) of the annotators of each row, see `judging.agreement_of`.
        progress: told what happens.
    """
    witnesses = [Filled(each, picture_of) for each in heard.witnesses]
    given = given_labels(rows, len(kept.belief.marginal), agreement)
    with progress.stage("Weighing the evidence", len(rows.distinct)) as advance:
        judged = judge_rows(
            kept.belief,
            witnesses,
            given,
            RowsByPicture(rows),
            known,
            lambda done: advance(done, ""),
        )
    first, second = heard.halves
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
    return scores, Verdict(judged, p_clean, None, foretold, weights, informed, None)
