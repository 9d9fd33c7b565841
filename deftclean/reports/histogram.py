"""The histogram of a report: where its bars, lines and numbers stand; histogram.html draws them."""

from collections.abc import Sequence
from dataclasses import dataclass

from deftclean.reports.overview import Bin

_HEIGHT, _TOP, _BELOW = 166.0, 8.0, 32.0  # of the drawing; what is left above and below the bars
_LEFT, _RIGHT = 44.0, 12.0
_GAP = 0.1  # of a bar's width, to the next one
_MOST_TICKS = 4
_STEPS = (1, 2, 5)  # times a power of ten: what numbers at an axis grow by


@dataclass(frozen=True)
class Bar:
    """Rows of one kind in one part of [0, 1], in the units of the drawing."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Tick:
    """A number at an axis, and where it stands."""

    text: str
    at: float


@dataclass(frozen=True)
class Histogram:
    """A drawing whose text is 9 units high.

    Attributes:
        name: its class.
        width, height: of the drawing.
        left, right, top, bottom: of the bars' place.
        bars: flagged rows from the bottom, kept ones above them.
        across, up: numbers at the axes.
        threshold: where its line stands.
    """

    name: str
    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    bars: tuple[Bar, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    threshold: float


def histogram(bins: Sequence[Bin], threshold: float, name: str, width: float) -> Histogram:
    """Kept and flagged rows by `clean_prob`, and the threshold as a line.

    Args:
        bins: of equal width, over [0, 1].
        threshold: in [0, 1].
        name: the class of the drawing.
        width: of the drawing; text is 9 high.
    """
    left, right, top, bottom = _LEFT, width - _RIGHT, _TOP, _HEIGHT - _BELOW
    most = max((each.kept + each.flagged for each in bins), default=0)
    numbers = ticks(most)
    highest = max(most, numbers[-1])

    def x(value: float) -> float:
        return round(left + (right - left) * value, 2)

    def high(rows: int) -> float:
        return round((bottom - top) * rows / highest, 2)

    bars = []
    for each in bins:
        wide = round((x(each.high) - x(each.low)) * (1 - _GAP), 2)
        flagged, kept = high(each.flagged), high(each.kept)
        bars += [
            Bar("flagged", x(each.low), round(bottom - flagged, 2), wide, flagged),
            Bar("kept", x(each.low), round(bottom - flagged - kept, 2), wide, kept),
        ]
    return Histogram(
        name, width, _HEIGHT, left, right, top, bottom,
        bars=tuple(bar for bar in bars if bar.height),
        across=tuple(Tick(f"{part / 4:g}", x(part / 4)) for part in range(5)),
        up=tuple(Tick(f"{number:,}", round(bottom - high(number), 2)) for number in numbers),
        threshold=x(threshold),
    )  # fmt: skip


def ticks(most: int) -> list[int]:
    """Whole numbers from 0 in equal steps, at most `_MOST_TICKS` of them, as far as `most` goes.

    By hand: 7 -> 0, 2, 4, 6; 1,000 -> 0, 500, 1,000; 0 -> 0, 1.
    """
    power = 1
    while True:
        for step in (factor * power for factor in _STEPS):
            if most <= step * _MOST_TICKS:
                return list(range(0, max(most, step) + 1, step))
        power *= 10
