"""The histogram of a report: matplotlib's SVG, made fit for a page with strict rules.

Matplotlib writes a style sheet and style attributes into its SVG, which a page that forbids inline
styles would ignore. Here they become classes, and colours become the page's own.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deftclean.reports.overview import Bin

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours that stand for the page's, which change with light and dark.
_COLOURS = {
    "#000001": "var(--kept)",
    "#000002": "var(--flagged)",
    "#000003": "var(--ink-soft)",
    "#000004": "var(--line)",
    "#000005": "var(--ink)",
}
_KEPT, _FLAGGED, _SOFT, _LINE, _INK = _COLOURS

_FONT = "font-family: inherit; font-size: 9px"


@dataclass(frozen=True)
class Chart:
    """A picture for a page.

    Attributes:
        svg: an `svg` element without any style of its own.
        css: the rules of its classes.
    """

    svg: str
    css: str


def histogram(bins: Sequence[Bin], threshold: float, name: str, width: float) -> Chart:
    """Kept and flagged rows by `clean_prob`, and the threshold as a line.

    Args:
        bins: of equal width.
        threshold: in [0, 1].
        name: begins the names of the classes; another for each chart of a page.
        width: in inches; text is 9 points high.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 2.3), layout="constrained")
    _draw(figure.subplots(), bins, threshold)
    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    return _for_a_page(buffer.getvalue(), name)


def _draw(axes: "Axes", bins: Sequence[Bin], threshold: float) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    left = [each.low for each in bins]
    widths = [(each.high - each.low) * 0.9 for each in bins]
    kept = [each.kept for each in bins]
    flagged = [each.flagged for each in bins]
    axes.bar(left, flagged, widths, align="edge", color=_FLAGGED)
    axes.bar(left, kept, widths, bottom=flagged, align="edge", color=_KEPT)
    axes.axvline(threshold, color=_INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.tick_params(length=0, colors=_SOFT, labelsize=9)
    axes.set_xlabel("clean_prob", color=_SOFT, fontsize=9)
    axes.grid(axis="y", color=_LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_LINE)


def _for_a_page(text: str, name: str) -> Chart:
    svg = text[text.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    # Names that nothing refers to; a second chart would have the same.
    svg = re.sub(r' id="[\w.]+_\d+"', "", svg)
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    svg = svg.replace("<svg ", f'<svg class="{name}" aria-hidden="true" focusable="false" ', 1)
    styles: dict[str, str] = {}

    def classed(found: re.Match[str]) -> str:
        style = found.group(1)
        return f' class="{styles.setdefault(style, f"{name}-{len(styles)}")}"'

    svg = re.sub(r' style="([^"]*)"', classed, svg)
    css = "\n".join(f".{rule} {{ {_own(style)} }}" for style, rule in styles.items())
    return Chart(svg.strip(), css)


def _own(style: str) -> str:
    """One style with the page's colours and font."""
    for colour, variable in _COLOURS.items():
        style = style.replace(colour, variable)
    return re.sub(r"font: [^;]*", _FONT, style)
