"""Results of a comparison as tables, methods by columns, beside the paper's figures.

Plain values in; out come values, and these as Markdown or as one HTML page that needs nothing else.
Headings may come from a grid file: all text is escaped. Knows neither how cells are run nor files.
"""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deftclean.core.text import markdown, visible
from deftclean.experiments.cells import Cell
from deftclean.experiments.results import settings_text

Row = Mapping[str, Any]

METRICS: dict[str, str] = {
    "precision": "Precision of the kept rows, %",
    "recall": "Recall of the kept rows, %",
    "f1": "F1 of the kept rows, %",
    "wrong_f1": "F1 of finding wrong labels, %",
    "auroc": "AUROC of the score, %",
    "missed_at_budget": "Wrong labels missed at a review budget equal to the noise, %",
    "accuracy_best": "Test accuracy, best epoch, %",
    "accuracy_last": "Test accuracy, last epoch, %",
    "seconds": "Seconds of a cell",
    "peak_memory_mb": "Peak memory, MB",
}
"""Title by column of the results; lower is better for the missed, seconds and memory."""

_PLAIN = ("seconds", "peak_memory_mb")  # no shares
_DASH = "–"
_ASSETS = Path(__file__).parents[1] / "assets" / "bench"
_LEGEND = "In brackets: the figure that the paper prints."


@dataclass(frozen=True)
class Figure:
    """What stands in one cell of a table.

    Attributes:
        text: mean, and ± the standard deviation where there are several seeds; how many of them
            where some have no figure.
        published: the paper's; None where it prints none.
    """

    text: str
    published: str | None


@dataclass(frozen=True)
class MetricTable:
    """One metric: methods × columns.

    Attributes:
        title: of the metric.
        columns: headings.
        rows: of each method its heading and figures, one for each column.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Figure, ...]], ...]


@dataclass(frozen=True)
class GridTables:
    """One grid.

    Attributes:
        name: of the grid.
        departures: how what was run differs from what the published figures were made with.
        facts: rows, device, seconds, settings.
        failures: cells without figures, and why.
        tables: one for each metric that has figures.
    """

    name: str
    departures: tuple[str, ...]
    facts: tuple[str, ...]
    failures: tuple[str, ...]
    tables: tuple[MetricTable, ...]


def grid_tables(rows: Sequence[Row], originals: Iterable[Cell] = ()) -> tuple[GridTables, ...]:
    """Tables of every grid in the results, in the order of the results.

    Args:
        rows: of the results.
        originals: cells as the paper has them, of the grids that have published figures.
    """
    known = {(cell.grid, cell.column, cell.method): cell for cell in originals}
    grids: dict[str, list[Row]] = {}
    for row in rows:
        grids.setdefault(row["grid"], []).append(row)
    return tuple(
        GridTables(
            name,
            _departures(own, known),
            _facts(own),
            tuple(
                f"{row['column']}, {row['method']}, seed {row['seed']}: {row['error']}"
                for row in own
                if row["error"] is not None
            ),
            tuple(_table(own, metric) for metric in METRICS if _has(own, metric)),
        )
        for name, own in grids.items()
    )


# ---------------------------------------------------------------- figures


def _has(rows: Iterable[Row], metric: str) -> bool:
    return any(row.get(metric) is not None for row in rows)


def _table(rows: Sequence[Row], metric: str) -> MetricTable:
    columns = tuple(dict.fromkeys(row["column"] for row in rows))
    methods = tuple(dict.fromkeys(row["method"] for row in rows))
    places: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        places.setdefault((row["method"], row["column"]), []).append(row)
    return MetricTable(
        METRICS[metric],
        columns,
        tuple(
            (method, tuple(_figure(places.get((method, each), ()), metric) for each in columns))
            for method in methods
        ),
    )


def _figure(rows: Sequence[Row], metric: str) -> Figure:
    if not rows:
        return Figure(_DASH, None)
    published = json.loads(rows[0]["published"] or "{}").get(metric)
    beside = None if published is None else f"{published:.2f}"
    values = [row[metric] for row in rows if row.get(metric) is not None]
    if not values:
        return Figure("failed" if any(row["error"] for row in rows) else _DASH, beside)
    some = f" [{len(values)} of {len(rows)} seeds]" if len(values) < len(rows) else ""
    return Figure(_mean(values, metric) + some, beside)


def _mean(values: Sequence[float], metric: str) -> str:
    """By hand: 0.90 and 0.94 of a share are 92.00 ± 2.83, 100 · 0.04 / √2 the deviation."""
    scale, digits = (1, 1) if metric in _PLAIN else (100, 2)
    mean = f"{scale * statistics.fmean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {scale * statistics.stdev(values):.{digits}f}"


# ---------------------------------------------------------------- what was run


def _facts(rows: Sequence[Row]) -> tuple[str, ...]:
    seconds = [row["seconds"] for row in rows if row["seconds"] is not None]
    seeds = sorted({row["seed"] for row in rows})
    facts = [
        f"training rows: {_by_column(rows, 'rows')}",
        *_unscored(rows),
        f"test rows: {_by_column(rows, 'tested_on')}",
        f"seeds: {', '.join(map(str, seeds))}" + _spread(seeds),
        f"device: {_distinct(rows, 'device')}, {_distinct(rows, 'precision_mode')}",
        f"deftclean {_distinct(rows, 'tool_version')}",
        f"{sum(seconds):,.0f} seconds for {len(seconds):,} of {len(rows):,} cells; a scan or an "
        "adaptation that cells share is counted in each",
    ]
    limits = sorted({row["limit_rows"] for row in rows if row["limit_rows"] is not None})
    if limits:
        facts.insert(
            0,
            f"NOT ALL ROWS: a stratified sample of {', '.join(f'{limit:,}' for limit in limits)} "
            "rows of every data set, to train on and to test on",
        )
    if any(row["data"] == "clothing1m" for row in rows):
        whole = any(row["all_rows"] for row in rows if row["data"] == "clothing1m")
        facts.append("Clothing1M: all rows" if whole else "Clothing1M: a balanced random sample")
    return tuple(fact for fact in facts if not fact.endswith(": ")) + _settings(rows)


def _unscored(rows: Iterable[Row]) -> tuple[str, ...]:
    """How many rows have a score, where some have none: no readable picture, or no label."""
    some = [row for row in rows if row["scored"] is not None and row["scored"] < row["rows"]]
    return (f"of these have a score: {_by_column(some, 'scored')}",) if some else ()


def _spread(seeds: Sequence[int]) -> str:
    return "; mean ± standard deviation over them" if len(seeds) > 1 else ""


def _by_column(rows: Iterable[Row], name: str) -> str:
    """One number where all columns agree, else the number of each."""
    found: dict[str, dict[int, None]] = {}
    for row in rows:
        if row[name] is not None:
            found.setdefault(row["column"], {})[row[name]] = None
    texts = {column: "/".join(f"{n:,}" for n in counts) for column, counts in found.items()}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return ", ".join(f"{count} ({column})" for column, count in texts.items())


def _distinct(rows: Iterable[Row], name: str) -> str:
    return ", ".join(dict.fromkeys(str(row[name]) for row in rows if row[name] is not None))


def _settings(rows: Iterable[Row]) -> tuple[str, ...]:
    """What each method was run with, a line for each."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        found.setdefault(row["method"], {})[_run_with(row)] = None
    return tuple(f"{method}: {'; or '.join(texts)}" for method, texts in found.items())


def _run_with(row: Row) -> str:
    if row["strategy"] is None:
        parts = ["learns from all rows"]
    else:
        parts = [f"scan {row['strategy']}", f"preset {row['preset']}", f"model {row['model']}"]
        parts += _pairs(row["settings"])
    if row["backbone"] is not None:
        parts += [f"adapt {row['backbone']} {row['adapt_method']}", *_pairs(row["adapt_settings"])]
    return ", ".join(parts)


def _pairs(settings: str | None) -> list[str]:
    return [f"{key} {value}" for key, value in json.loads(settings or "{}").items()]


def _departures(rows: Iterable[Row], known: Mapping[tuple[str, str, str], Cell]) -> tuple[str, ...]:
    """By hand: a row with model nano, where the paper's cell has ViT-B-16, is one line."""
    found: dict[str, None] = {}
    for row in rows:
        cell = known.get((row["grid"], row["column"], row["method"]))
        for what, here, there in _compared(row, cell) if cell is not None else ():
            if here != there:
                found[f"{what} {here}, where the published figures have {there}"] = None
    return tuple(found)


def _compared(row: Row, cell: Cell) -> list[tuple[str, Any, Any]]:
    pairs: list[tuple[str, Any, Any]] = []
    chosen, adaptation = cell.selection, cell.adaptation
    if chosen is not None:
        pairs.append(("model", row["model"], chosen.model))
        pairs.append(("settings of scan", row["settings"], settings_text(chosen.settings)))
    if adaptation is not None:
        pairs.append(("backbone", row["backbone"], adaptation.backbone))
        settings = settings_text(adaptation.settings)
        pairs.append(("settings of adapt", row["adapt_settings"], settings))
    limit = row["limit_rows"]
    pairs.append(("rows of a data set", "all" if limit is None else f"at most {limit:,}", "all"))
    if row["data"] == "clothing1m":
        sample = "a balanced sample"
        pairs.append(("Clothing1M with", "all rows" if row["all_rows"] else sample, sample))
    return pairs


# ---------------------------------------------------------------- pages


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
