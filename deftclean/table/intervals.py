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
    tail = (1 - level) / 2
    low = _share(tail, found, drawn - found + 1) if found else 0.0
    high = _share(1 - tail, found + 1, drawn - found) if found < drawn else 1.0
    return low, high


def _share(probability: float, a: int, b: int) -> float:
    """The quantile of the beta distribution: Newton's steps, kept between what is known of it.

    SciPy has it; it would be a third of what a gate in CI has to install.
    """
    low, high, x = 0.0, 1.0, a / (a + b)
    for _step in range(200):
        below = _beta(x, a, b) - probability
        low, high = (low, x) if below > 0 else (x, high)
        density = math.exp(_log_weight(x, a, b)) * (a + b) / (x * (1 - x))
        following = x - below / density if density else low
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - x) <= 1e-13 * following:
            break
        x = following
    return following


def _log_weight(x: float, a: int, b: int) -> float:
    """log of xᵃ(1 − x)ᵇ Γ(a + b) / (Γ(a) Γ(b) (a + b))."""
    whole = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return a * math.log(x) + b * math.log1p(-x) + whole - math.log(a + b)


def _beta(x: float, a: int, b: int) -> float:
    """The beta distribution's function at x, by its continued fraction (DLMF 8.17.22)."""
    if x > (a + 1) / (a + b + 2):  # it converges fast on the other side
        return 1 - _beta(1 - x, b, a)
    c, d, value = 1.0, 0.0, 1.0
    for m in range(1, 100_000):  # Lentz's method; some √(a + b) steps are needed
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m - 1) * (a + b + m - 1) * x / ((a + 2 * m - 2) * (a + 2 * m - 1))
        d = 1 / (1 + odd * d)
        c = 1 + odd / c
        value *= c * d
        d = 1 / (1 + even * d)
        c = 1 + even / c
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return math.exp(_log_weight(x, a, b)) * (a + b) / a / value
