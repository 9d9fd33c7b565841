"""Every readable row judged by all the evidence, a block of pictures at a time.

Shapes: U distinct pictures, M witnesses, K classes, n readable rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from deftclean.core.arrow import bool_values, float_values, whole
from deftclean.data.manifest import Manifest
from deftclean.data.votes import AGREEMENT
from deftclean.evidence.belief import Belief, certain_of, foretold, heard, labels_of
from deftclean.evidence.correction import fit_correction
from deftclean.evidence.given_labels import GivenLabels
from deftclean.evidence.known import Known
from deftclean.evidence.neighbours import NeighbourWitness
from deftclean.evidence.rates import NoiseRates
from deftclean.evidence.reliability import Reliability
from deftclean.evidence.strangers import strangers
from deftclean.evidence.witness import Witness, WitnessName
from deftclean.features.scoring import RowsByPicture, ZeroShotScores
from deftclean.images.usable_rows import UsableRows
from deftclean.table.reviewed import DECISION, FINAL

_MOST_NUMBERS = 2**21  # of (pictures, M, K) in a block
_BLOCK = 4096


@dataclass(frozen=True)
class Judged:
    """What is believed of n readable rows.

    Attributes:
        rows: (n,) ascending row indices.
        clean_prob: (n,) probability that the given label is right; of a row without a label it
            means nothing.
        suggested: (n,) most probable class, the given label heard.
        suggested_prob: (n,) its probability.
        foretold: (n,) probability that the label would be `expected`, before it was heard.
        expected: (n,) class.
        said: (n,) probability of the given label, by each witness that there is.
    """

    rows: NDArray[np.int64]
    clean_prob: NDArray[np.float64]
    suggested: NDArray[np.int64]
    suggested_prob: NDArray[np.float64]
    foretold: NDArray[np.float64]
    expected: NDArray[np.int64]
    said: dict[WitnessName, NDArray[np.float32]]


@dataclass(frozen=True)
class Verdict:
    """What all the evidence says of n readable rows, and of the data set.

    Attributes:
        judged: the rows.
        own: (n,) DEFT's own p_clean; None where it was not asked.
        rates: of the labelled rows; None where they were not estimated.
        weights: of the witnesses that are heard.
        foretold: how often labels were given that were foretold.
        informed: how much it is believed that they know something, in [0, 1].
        strangers: (n,) bool, the picture fits no class; None where that was not asked.
    """

    judged: Judged
    own: NDArray[np.float32] | None
    rates: NoiseRates | None
    foretold: Reliability
    weights: dict[WitnessName, float]
    informed: float
    strangers: NDArray[np.bool_] | None


def given_labels(
    rows: UsableRows, classes: int, agreement: NDArray[np.float64] | None
) -> GivenLabels:
    """What the labelled readable rows say of the distinct pictures.

    Args:
        rows: N of them.
        classes: K.
        agreement: (N,) as `agreement_of`.
    """
    at = rows.trainable
    voted = None if agreement is None else agreement[at]
    return GivenLabels.of(rows.pictures[at], rows.labels[at], len(rows.distinct), classes, voted)


def agreement_of(manifest: Manifest) -> NDArray[np.float64] | None:
    """(N,) share of the annotators who chose each label, NaN where that is not known.

    None where the input has no column of that name, or one that holds something else.
    """
    if AGREEMENT not in manifest.columns.column_names:
        return None
    column = whole(manifest.columns[AGREEMENT])
    if pa.types.is_string(column.type):  # as a CSV file has it; an empty cell says nothing
        column = pc.if_else(pc.equal(pc.utf8_trim_whitespace(column), ""), None, column)
    try:
        shares = float_values(column).astype(np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    fine = np.isnan(shares) | ((shares > 0) & (shares <= 1))
    return shares if fine.all() else None


def reliability_of(judged: Judged, rows: UsableRows) -> Reliability:
    """How often the labels of the rows that have one were given as foretold."""
    labelled = rows.labelled[judged.rows]
    given = rows.labels[judged.rows][labelled] == judged.expected[labelled]
    return Reliability.of(judged.foretold[labelled], given)


def strangers_of(
    judged: Judged,
    neighbours: NeighbourWitness | None,
    zero_shot: ZeroShotScores,
    rows: UsableRows,
) -> NDArray[np.bool_] | None:
    """(n,) bool, the picture of a judged row fits no class; None without neighbours.

    Args:
        judged: n rows.
        neighbours: of every distinct picture.
        zero_shot: of the same rows.
        rows: of the run.
    """
    if neighbours is None:
        return None
    pictures, first = np.unique(rows.pictures[judged.rows], return_index=True)
    unlike = 1 - zero_shot.nearest[first]
    found = np.zeros(len(rows.distinct), dtype=bool)
    found[pictures] = strangers(neighbours.apart[pictures], unlike, judged.foretold[first])
    return found[rows.pictures[judged.rows]]


def known_of(rows: UsableRows, manifest: Manifest) -> Known:
    """What an earlier review of the rows says of the distinct pictures.

    A label that is confirmed is the picture's class; in place of one that is corrected is the new
    one, if it is one of the K classes; where a row was dropped, its label is wrong.
    """
    names, review = manifest.class_names, manifest.review
    if review is None:
        return Known.nothing(len(names))
    at = rows.trainable
    decisions = review.columns[DECISION].combine_chunks().take(pa.array(at))
    final = pc.index_in(review.columns[FINAL], value_set=pa.array(names, pa.string()))
    corrected = pc.fill_null(final.combine_chunks().take(pa.array(at)), -1).to_numpy()

    def decided(decision: str) -> NDArray[np.bool_]:
        return bool_values(pc.equal(decisions, decision))

    pictures, labels = rows.pictures[at], rows.labels[at]
    kept, relabelled = decided("keep"), decided("relabel")
    named = relabelled & (corrected >= 0)
    wrong = relabelled | decided("drop")
    right = kept | named
    classes = np.where(named, corrected, labels).astype(np.int64)
    return Known.of((pictures[right], classes[right]), (pictures[wrong], labels[wrong]), len(names))


def corrected_by_people(
    belief: Belief, witnesses: Sequence[Witness], given: GivenLabels, known: Known
) -> Belief:
    """The same belief, corrected where people's decisions say that it is too sure or leans.

    Args:
        belief: what is believed of the witnesses that are heard.
        witnesses: these and others.
        given: labels of the pictures.
        known: what people know of the pictures.
    """
    at, wrong = known.decided(given)
    if not len(at):
        return belief
    listened = [next(w for w in witnesses if w.name == name) for name in belief.names]
    pictures = np.unique(given.pictures[at])
    block = max(1, _MOST_NUMBERS // (len(listened) * given.classes))
    right = np.empty(len(at))
    for first in range(0, len(pictures), block):
        some = pictures[first : first + block]
        posterior = belief.posterior(heard(listened, some), *labels_of(given, some))
        mine = np.flatnonzero(np.isin(given.pictures[at], some))
        places = np.searchsorted(some, given.pictures[at[mine]])
        right[mine] = posterior.numpy()[places, given.labels[at[mine]]]
    return replace(belief, correction=fit_correction(right, wrong))


def judge_rows(
    belief: Belief,
    witnesses: Sequence[Witness],
    given: GivenLabels,
    by_picture: RowsByPicture,
    known: Known,
    on_block: Callable[[int], None],
) -> Judged:
    """Judge every readable row.

    Args:
        belief: what is believed of the witnesses that are heard.
        witnesses: these and others.
        given: labels of the pictures.
        by_picture: the readable rows.
        known: what people know of the pictures.
        on_block: told how many pictures are done.
    """
    names = [each.name for each in witnesses]
    listened = torch.tensor([names.index(name) for name in belief.names])
    block = max(1, min(_BLOCK, _MOST_NUMBERS // (len(names) * given.classes)))
    most_rows = max(1, _MOST_NUMBERS // given.classes)
    columns = by_picture.columns()
    for at in range(0, given.count, block):
        pictures = np.arange(at, min(at + block, given.count))
        log_probs = heard(witnesses, pictures)
        posterior = belief.posterior(
            log_probs[:, listened], *labels_of(given, pictures), known.impossible(pictures)
        )
        told = foretold(belief, log_probs[:, listened])
        shown = by_picture.of(torch.from_numpy(pictures))
        # As many rows may show a picture as there are.
        for rows, places in zip(*(part.split(most_rows) for part in shown), strict=True):
            labels = by_picture.labels[rows]
            said = log_probs[places, :, labels].exp().float()
            columns.add(
                rows,
                *certain_of(posterior[places], labels, belief.correction),
                *(column[places] for column in reversed(told)),
                *said.unbind(dim=1),
            )
        on_block(len(pictures))
    rows_, clean, suggested, sure, likelihood, expected, *spoken = columns.by_row()
    said_by = dict(zip(names, spoken, strict=True))
    return Judged(rows_, clean, suggested, sure, likelihood, expected, said_by)
