"""Labels by how far their annotators agreed: by hand, and what the fit finds in drawn worlds."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from deftclean.core.runtime import stream
from deftclean.evidence import pool as pools
from deftclean.evidence import weigh as weighing
from deftclean.evidence.agreement import STRATA, differ, strata_of
from deftclean.evidence.belief import Belief, labels_of
from deftclean.evidence.given_labels import GivenLabels
from deftclean.evidence.known import Known
from deftclean.evidence.pool import Pool, fit, penalties, starting_values, surprise
from deftclean.evidence.witness import Linear, LinearWitness

EVEN = torch.tensor([0.5, 0.5], dtype=torch.float64).log()


def test_strata_by_hand() -> None:
    """Shares are kept as 32-bit numbers: two thirds, a half and all are what they are."""
    shares = np.array([1, 2 / 3, 0.51, 0.5, 1 / 3, np.nan], np.float32).astype(np.float64)
    assert strata_of(shares).tolist() == [0, 1, 1, 2, 2, 3]
    assert [differ(None), differ(np.array([1, 1])), differ(np.array([0, 1]))] == [
        False,
        False,
        True,
    ]


def test_a_pair_has_the_mean_agreement_of_its_rows() -> None:
    """Picture 0 is called 1 by rows of agreement 1 and 1/3, so by two thirds of the votes."""
    pictures, labels = np.array([0, 0, 1, 2]), np.array([1, 1, 0, 0])
    agreement = np.array([1.0, 1 / 3, 1.0, np.nan])
    given = GivenLabels.of(pictures, labels, 4, 2, agreement)
    assert given.strata is not None
    assert given.strata.tolist() == [1, 0, 3]
    some = given.some(2, np.random.default_rng(0))
    assert some.strata is not None
    assert some.strata.tolist() == given.strata[np.isin(given.pictures, some.pictures)].tolist()
    assert GivenLabels.of(pictures, labels, 4, 2).strata is None
    assert labels_of(given, np.array([1, 2, 3]))[2].tolist() == [0, 3]  # type: ignore[union-attr]


def pool(shifts: list[float], mix: list[float]) -> Pool:
    """One witness of weight 1, ε = 1/2 in both classes before the shifts."""
    values = starting_values(np.ones(1), 2, 0.5, strata=True)
    values[3] = 0.0
    values[-1 - STRATA : -1] = torch.tensor(shifts, dtype=torch.float64)
    return Pool(values, 1, EVEN, 0.0, torch.tensor(mix, dtype=torch.float64))


def test_noise_of_strata_by_hand() -> None:
    """Odds of 1/9, 1, 3 and 1: ε = 0.1, 0.5, 0.75, 0.5. Label 0, p = (0.8, 0.2)."""
    made = pool([-math.log(9), 0.0, math.log(3), 0.0], [0.5, 0.25, 0.25, 0.0])
    strata = torch.tensor([0, 2, 1])
    wrong = made.noise_of(strata).log_wrong.exp()
    assert wrong[:, 0].tolist() == pytest.approx([0.1, 0.75, 0.5])
    assert wrong[:, 1].tolist() == pytest.approx([0.1, 0.75, 0.5])
    said = torch.tensor([[[0.8, 0.2]]] * 3, dtype=torch.float64).log()
    told = pools.Testimony(
        said, torch.zeros(3, dtype=torch.int64), EVEN, torch.zeros(1), None, strata
    )
    expected = [0.8 * 0.9 + 0.2 * 0.1, 0.8 * 0.25 + 0.2 * 0.75, 0.5]
    assert surprise(made, told).exp().reciprocal().tolist() == pytest.approx(expected)
    # Of a label of which nothing is known the mean: 0.5 · 0.1 + 0.25 · 0.5 + 0.25 · 0.75.
    for noise in (made.noise, made.noise_of(None)):
        assert noise.log_wrong.exp().tolist() == pytest.approx([0.3625] * 2)
        assert noise.log_right.exp().tolist() == pytest.approx([0.6375] * 2)


def test_what_strata_cost_by_hand() -> None:
    """0.1 (ln 9)² + 0.1 (ln 3)²; of the three that there are, -ln ε (1 - ε) each."""
    made = pool([-math.log(9), 0.0, math.log(3), 0.0], [0.5, 0.25, 0.25, 0.0])
    without = Pool(torch.cat([made.values[: -1 - STRATA], made.values[-1:]]), 1, EVEN, 0.0)
    costs = [float(penalties(each, 5, torch.tensor([True]), 0.0)) for each in (made, without)]
    squares = 0.1 * (math.log(9) ** 2 + math.log(3) ** 2)
    chances = -math.log(0.1 * 0.9) - math.log(0.25) - math.log(0.75 * 0.25)
    assert costs[0] - costs[1] == pytest.approx(squares + chances)


def drawn(count: int = 4000) -> tuple[pools.Testimony, np.ndarray]:
    """Three classes; labels are wrong in 2 %, 20 % and 60 % of three strata."""
    random = np.random.default_rng(0)
    logits = 2 * random.normal(size=(count, 3))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true = (probs.cumsum(axis=1) < random.random((count, 1))).sum(axis=1).clip(max=2)
    strata = random.choice(3, count, p=[0.6, 0.3, 0.1])
    wrong = random.random(count) < np.array([0.02, 0.2, 0.6])[strata]
    labels = np.where(wrong, (true + random.integers(1, 3, count)) % 3, true)
    marginal = np.log(np.bincount(labels, minlength=3) / count)
    return pools.Testimony(
        torch.from_numpy(np.log(probs))[:, None],
        torch.from_numpy(labels),
        torch.from_numpy(marginal),
        torch.tensor([False]),
        None,
        torch.from_numpy(strata),
    ), wrong


def test_the_noise_of_each_stratum_is_found() -> None:
    told, wrong = drawn()
    found = fit(told, starting_values(np.ones(1), 3, 0.0, strata=True), resemblance=0.0)
    rates = found.noise_of(torch.tensor([0, 1, 2])).log_wrong.exp().mean(dim=1)
    assert rates.tolist() == pytest.approx([0.02, 0.2, 0.6], abs=0.05)
    alone = replace(told, strata=None)
    plain = fit(alone, starting_values(np.ones(1), 3, 0.0), resemblance=0.0)
    assert found.loss < plain.loss - 100

    def doubt(pool: Pool, strata: torch.Tensor | None) -> np.ndarray:
        belief = Belief(("zero_shot",), (pool,), np.ones(1), 1.0, np.full(3, 1 / 3))
        places = torch.arange(len(told.labels))
        posterior = belief.posterior(told.log_probs, places, told.labels, strata)
        return 1 - posterior.gather(1, told.labels[:, None])[:, 0].numpy()

    brier = [float(((doubt(*each) - wrong) ** 2).mean()) for each in
             ((found, told.strata), (plain, None))]  # fmt: skip
    assert brier[0] < 0.8 * brier[1]


@pytest.mark.parametrize("agreement", [None, 1.0, 0.5])
def test_where_all_agree_alike_nothing_is_learned_of_it(agreement: float | None) -> None:
    shares = None if agreement is None else np.full(6, agreement)
    given = GivenLabels.of(np.arange(6), np.arange(6) % 2, 6, 2, shares)
    linear = [Linear(torch.zeros(2, 1), torch.zeros(2))]
    witness = LinearWitness("zero_shot", lambda at: torch.zeros(len(at), 1), linear,
                            np.zeros(6, dtype=np.int64))  # fmt: skip
    told = weighing.testify([witness], given, Known.nothing(2), stream(0, "part"))
    assert (told.strata, told.mix) == (None, None)
