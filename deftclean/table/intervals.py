"""Exact intervals of shares, from counts alone."""

import math
from collections.abc import Callable


def of_finite(found: int, drawn: int, population: int, level: float) -> tuple[int, int]:
    """How many of a population may be of a kind, if so many of a random sample of it are.

    Drawn without replacement, so that the count is hypergeometric; both tests are inverted, which
    makes the interval exact: it holds the truth with probability `level` at least, whatever the
    truth. It is inside the binomial one (Clopper & Pearson 1934), and certain once all are drawn.

    By hand, 1 found of 2 drawn of 4 (α = 0.05): of 1 to 3 in the population the sample is no
    surprise, of 0 or 4 it is impossible: (1, 3).

    Args:
        found: x, of the sample.
        drawn: n, in [x, population].
        population: N, 1 or more.
        level: in (0, 1).
    """
    tail = (1 - level) / 2
    fewest, most = found, population - (drawn - found)

    def too_few(kind: int) -> bool:
        """So many would hardly have shown x or more."""
        return _at_most(drawn - found, drawn, population - kind, population) <= tail

    def enough(kind: int) -> bool:
        """So many would hardly have shown x or fewer."""
        return _at_most(found, drawn, kind, population) <= tail

    low = _first(lambda kind: not too_few(kind), fewest, most)
    high = _first(enough, low, most + 1) - 1
    return low, max(low, high)


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The first number in [low, high) of which it holds, and of all after it; else `high`."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _at_most(found: int, drawn: int, kind: int, population: int) -> float:
    """P(X <= found) of a sample's count, where so many of the population are of the kind."""
    first = max(0, drawn - (population - kind))
    whole = _log_choose(population, drawn)
    return math.fsum(
        math.exp(_log_choose(kind, x) + _log_choose(population - kind, drawn - x) - whole)
        for x in range(first, min(found, kind, drawn) + 1)
    )


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def of_endless(found: int, drawn: int, level: float) -> tuple[float, float]:
    """The same for a share of a population without end: Clopper & Pearson (1934).

    Args:
        found: in [0, drawn].
        drawn: 1 or more.
        level: in (0, 1).
    """
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = betaincinv(found, drawn - found + 1, tail) if found else 0.0
    high = betaincinv(found + 1, drawn - found, 1 - tail) if found < drawn else 1.0
    return float(low), float(high)
