"""Tables of a comparison as Markdown and as one HTML page that needs nothing else.

Headings may come from a grid file: all text is escaped.
"""

from collections.abc import Sequence
from pathlib import Path

from deftclean.core.text import markdown, visible
from deftclean.experiments.tables import Figure, GridTables, MetricTable

_ASSETS = Path(__file__).parents[1] / "assets" / "bench"
_LEGEND = "In brackets: the figure that the paper prints."


def markdown_page(grids: Sequence[GridTables]) -> str:
    """All grids, UTF-8 text."""
    lines = ["# deftclean bench", ""]
    for grid in grids:
        lines += [f"## {_md(grid.name)}", ""]
        if grid.departures:
            lines += ["**Not what the published figures were made with:**", ""]
            lines += [*(f"- {_md(text)}" for text in grid.departures), ""]
        for table in grid.tables:
            lines += _markdown_table(table)
        if any(_has_published(table) for table in grid.tables):
            lines += [_LEGEND, ""]
        lines += [*(f"- {_md(fact)}" for fact in grid.facts), ""]
        if grid.failures:
            lines += ["Failed:", "", *(f"- {_md(text)}" for text in grid.failures), ""]
    return "\n".join(lines)


def html_page(grids: Sequence[GridTables]) -> str:
    """All grids, one page in light and dark."""
    from deftclean.core.html import content_hash, page_environment

    css = (_ASSETS / "tables.css").read_text(encoding="utf-8")
    page = page_environment(_ASSETS, shown=visible).get_template("tables.html")
    return page.render(grids=grids, css=css, css_hash=content_hash(css), legend=_LEGEND)


def _markdown_table(table: MetricTable) -> list[str]:
    head = ["method", *table.columns]
    return [
        f"### {_md(table.title)}",
        "",
        _line([_md(text) for text in head]),
        _line(["---", *(["---:"] * len(table.columns))]),
        *(_line([_md(name), *map(_cell, figures)]) for name, figures in table.rows),
        "",
    ]


def _cell(figure: Figure) -> str:
    beside = "" if figure.published is None else f" ({figure.published})"
    return f"{figure.text}{beside}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _has_published(table: MetricTable) -> bool:
    return any(figure.published is not None for _, row in table.rows for figure in row)


def _md(text: str) -> str:
    return markdown(visible(text))
