"""Everybody is heard: head and neighbours are made, and what all say is asked and priced.

Who speaks without having learned from these labels by heart (zero-shot, DEFT's halves, what the
user brought) comes in; knows nothing of pictures, models or files.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from deftclean.core.errors import InputError
from deftclean.core.progress import Progress
from deftclean.core.runtime import stream
from deftclean.data.manifest import Manifest
from deftclean.data.votes import AGREEMENT
from deftclean.evidence.agreement import differ
from deftclean.evidence.belief import Belief
from deftclean.evidence.decision import keep_threshold
from deftclean.evidence.given_labels import GivenLabels
from deftclean.evidence.head import fit_head
from deftclean.evidence.known import Known
from deftclean.evidence.neighbours import Index, NeighbourWitness, find_neighbours
from deftclean.evidence.pool import Pool, Testimony
from deftclean.evidence.rates import noise_rates
from deftclean.evidence.weigh import first_noise, mean_noise, priced, testify, weigh
from deftclean.evidence.witness import LinearWitness, OwnProbabilities, Take, Witness
from deftclean.features.scoring import RowsByPicture, ZeroShotScores
from deftclean.hearing.judging import (
    Verdict,
    agreement_of,
    corrected_by_people,
    given_labels,
    judge_rows,
    known_of,
    reliability_of,
    strangers_of,
)
from deftclean.images.usable_rows import UsableRows


@dataclass(frozen=True)
class Labels:
    """What is known of the classes of U pictures.

    Attributes:
        given: the labels that rows have.
        known: what people know.
        learned: the labels with what is known in place of what was given.
    """

    given: GivenLabels
    known: Known
    learned: GivenLabels


def labels_of_pictures(rows: UsableRows, manifest: Manifest, progress: Progress) -> Labels:
    """Of the distinct pictures.

    Args:
        rows: that show them.
        manifest: theirs.
        progress: told whether it counts how far annotators agreed.

    Raises:
        InputError: there are not two labelled pictures.
    """
    agreement = agreement_of(manifest)
    given = given_labels(rows, len(manifest.class_names), agreement)
    if agreement is None and AGREEMENT in manifest.columns.column_names:
        progress.warn(
            f"the column {AGREEMENT!r} is not used: it holds other things than shares of votes, "
            "above 0 and at most 1"
        )
    if differ(given.strata):
        progress.say(f"labels count by how far their annotators agreed (column {AGREEMENT!r})")
    known = known_of(rows, manifest)
    learned = known.corrected(given)
    if len(np.unique(learned.pictures)) < 2:
        raise InputError(
            "All labelled rows show the same picture: there is nothing to compare it with.",
            "Give more pictures, or use --recipe deft.",
        )
    return Labels(given, known, learned)


@dataclass(frozen=True)
class Speakers:
    """Who is there, and what head and neighbours look at; one of them at least.

    Attributes:
        zero_shot: the untrained model.
        deft: the detectors of two halves.
        own: probabilities that the user brought.
        features: (U, D) unit vectors; without them there are no head and no neighbours.
    """

    zero_shot: LinearWitness | None
    deft: LinearWitness | None
    own: OwnProbabilities | None
    features: Take | None


@dataclass(frozen=True)
class Hearing:
    """All witnesses, and what they say of the labelled pictures.

    Attributes:
        witnesses: zero-shot, deft, head, neighbours, own, as far as they are there.
        head, neighbours: two of them.
        testimony: what all of them say.
        first, chosen: see `deftclean.evidence.weigh.priced`.
    """

    witnesses: list[Witness]
    head: LinearWitness | None
    neighbours: NeighbourWitness | None
    testimony: Testimony
    first: Pool
    chosen: NDArray[np.bool_]

    @property
    def names(self) -> list[str]:
        """Of the witnesses."""
        return [each.name for each in self.witnesses]


def hear(
    speakers: Speakers, labels: Labels, seed: int, device: torch.device, progress: Progress
) -> Hearing:
    """All of them, what they say, and what `priced` says of that.

    The head is fitted twice, the second time through what all of them say of the noise.

    Args:
        speakers: who is there.
        labels: of the pictures.
        seed: of every random draw.
        device: where head and neighbours are computed.
        progress: told what happens.
    """

    def asked(witnesses: Sequence[Witness]) -> Testimony:
        return testify(witnesses, labels.given, labels.known, stream(seed, "part"))

    def hearing(
        head: LinearWitness | None, neighbours: NeighbourWitness | None, said: Testimony
    ) -> Hearing:
        return Hearing(_present(speakers, head, neighbours), head, neighbours, said, *priced(said))

    take = speakers.features
    if take is None:
        return hearing(None, None, asked(_present(speakers, None, None)))
    with progress.stage("Comparing neighbours", labels.given.count) as advance:
        neighbours = find_neighbours(
            Index.of(take, labels.learned, device),
            take,
            np.arange(labels.given.count),
            lambda done: advance(done, ""),
        )

    def head_through(noise: NDArray[np.float64]) -> LinearWitness:
        folds = stream(seed, "folds")
        return fit_head(take, speakers.zero_shot, labels.learned, noise, folds, device)

    before = _present(replace(speakers, deft=None), None, neighbours)
    with progress.stage("Fitting the head", 2) as advance:
        head = head_through(first_noise(asked(before)))
        advance(1, "")
        found = hearing(head, neighbours, asked(_present(speakers, head, neighbours)))
        if found.chosen[found.names.index("head")]:  # one that nobody hears need not be better
            head = head_through(mean_noise(found.first, found.testimony))
            found = hearing(head, neighbours, asked(_present(speakers, head, neighbours)))
        advance(1, "")
    return found


def _present(
    speakers: Speakers, head: LinearWitness | None, neighbours: NeighbourWitness | None
) -> list[Witness]:
    """In the order of their names."""
    everybody = (speakers.zero_shot, speakers.deft, head, neighbours, speakers.own)
    return [each for each in everybody if each is not None]


@dataclass(frozen=True)
class Weighed:
    """What is believed after everybody was heard.

    Attributes:
        belief: of the witnesses that are heard.
        verdict: on every readable row.
        threshold: `clean_prob` above which a row is kept.
    """

    belief: Belief
    verdict: Verdict
    threshold: float


def weighed(
    hearing: Hearing,
    labels: Labels,
    rows: UsableRows,
    own: NDArray[np.float32] | None,
    zero_shot: ZeroShotScores | None,
    progress: Progress,
) -> Weighed:
    """The verdict.

    Args:
        hearing: of everybody.
        labels: of the pictures.
        rows: that show them.
        own: (n,) DEFT's own p_clean of the readable rows; None where it was not asked.
        zero_shot: what the untrained model says of them; None without one.
        progress: told what happens.
    """
    given, known = labels.given, labels.known
    belief = weigh(hearing.testimony, hearing.names, hearing.first, hearing.chosen)
    belief = corrected_by_people(belief, hearing.witnesses, given, known)
    with progress.stage("Weighing the evidence", given.count) as advance:
        judged = judge_rows(
            belief,
            hearing.witnesses,
            given,
            RowsByPicture(rows),
            known,
            lambda done: advance(done, ""),
        )
    at = judged.rows[rows.labelled[judged.rows]]
    clean = judged.clean_prob[rows.labelled[judged.rows]]
    rates = noise_rates(belief, hearing.testimony.of(hearing.chosen), clean, rows.labels[at])
    foretold = reliability_of(judged, rows)
    odd = None
    if zero_shot is not None:
        odd = strangers_of(judged, hearing.neighbours, zero_shot, rows)
    verdict = Verdict(judged, own, rates, foretold, belief.weights, belief.informed, odd)
    # Rows that people have decided about say nothing of the others.
    open_rows = known.leaves_open(rows.pictures[at])
    return Weighed(belief, verdict, keep_threshold(clean[open_rows], belief.informed))
