"""Cells as text, for people: how many, and one line each. Runs nothing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deftclean.core.text import visible
from deftclean.experiments.cells import Adaptation, Cell, LabelledData, Selection

_HEADER = ("column", "method", "data", "scan", "adapt", "seed", "published, %")


def listing(cells: Sequence[Cell]) -> str:
    """Grid by grid, how many cells and which; at the end the total.

    Returns:
        Lines that end in a newline; columns are told apart by two blanks or more.
    """
    grids: dict[str, list[Cell]] = {}
    for cell in cells:
        grids.setdefault(cell.grid, []).append(cell)
    parts = [
        f"{visible(name)}: {counted(found)}\n{_table(found)}\n" for name, found in grids.items()
    ]
    return "\n".join([*parts, f"{_total(cells)}\n"])


def counted(cells: Sequence[Cell]) -> str:
    """What the cells of one grid multiply to, such as `4 data sets x 6 noises x 3 methods = 72
    cells`; the number alone where they are not all combinations."""
    names = {cell.data.name for cell in cells}
    noises = {(cell.data.noise, cell.data.ratio) for cell in cells}
    columns = {cell.column for cell in cells}
    methods, seeds = {cell.method for cell in cells}, {cell.seed for cell in cells}
    factors = [(len(columns), "column"), (len(methods), "method")]
    if len(names) * len(noises) == len(columns):
        factors = [(len(names), "data set"), (len(noises), "noise"), (len(methods), "method")]
    if len(seeds) > 1:
        factors.append((len(seeds), "seed"))
    product = 1
    for number, _ in factors:
        product *= number
    if product != len(cells):
        return _number(len(cells), "cell")
    return f"{' x '.join(_number(*factor) for factor in factors)} = {_number(product, 'cell')}"


def _total(cells: Sequence[Cell]) -> str:
    scans = {_scan_of(cell) for cell in cells if cell.selection is not None}
    adaptations = {
        (_scan_of(cell), _adaptation(cell.adaptation))
        for cell in cells
        if cell.adaptation is not None
    }
    return (
        f"{_number(len(cells), 'cell')}: {_number(len(scans), 'different scan')}, "
        f"{_number(len(adaptations), 'different adaptation')}"
    )


def _scan_of(cell: Cell) -> tuple[LabelledData, str, int]:
    return cell.data, _selection(cell.selection), cell.seed


def _table(cells: Iterable[Cell]) -> str:
    lines = [_HEADER, *map(_line, cells)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join(f"  {line.rstrip()}" for line in padded)


def _line(cell: Cell) -> tuple[str, ...]:
    return (
        visible(cell.column),
        visible(cell.method),
        _data(cell.data),
        _selection(cell.selection),
        _adaptation(cell.adaptation),
        str(cell.seed),
        " ".join(f"{name} {value:.2f}" for name, value in cell.published.items()) or "-",
    )


def _data(data: LabelledData) -> str:
    ratio = "" if data.ratio is None else f" {data.ratio:g}"
    return visible(f"{data.name} {data.noise}{ratio}")


def _selection(found: Selection | None) -> str:
    if found is None:
        return "all rows"
    return _joined((found.strategy, found.preset, found.model), found.settings)


def _adaptation(found: Adaptation | None) -> str:
    return "-" if found is None else _joined((found.backbone, found.method), found.settings)


def _joined(words: Iterable[str], settings: Mapping[str, Any]) -> str:
    return visible(" ".join([*words, *(f"{k}={v}" for k, v in sorted(settings.items()))]))


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
