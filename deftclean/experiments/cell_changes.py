"""The same cells with another model, backbone, or number of epochs."""

from collections.abc import Iterable
from dataclasses import replace
from typing import cast

from deftclean.experiments.cells import Adaptation, Cell, Selection
from deftclean.settings.strategies import Strategy, StrategyOptions


def with_changes(
    cells: Iterable[Cell],
    model: str | None = None,
    backbone: str | None = None,
    epochs: int | None = None,
) -> tuple[Cell, ...]:
    """As many cells, changed where they say something about it.

    Published figures stay; they are those of the paper's own settings.

    Args:
        cells: what would be run.
        model: of every selection; None for the cell's own.
        backbone: of every adaptation; None for the cell's own.
        epochs: of every selection and adaptation that trains, in place of the cell's; None for
            its own.
    """
    return tuple(
        replace(
            cell,
            selection=_selection(cell.selection, model, epochs),
            adaptation=_adaptation(cell.adaptation, backbone, epochs),
        )
        for cell in cells
    )


def _selection(found: Selection | None, model: str | None, epochs: int | None) -> Selection | None:
    if found is None:
        return None
    if epochs is not None and StrategyOptions(cast("Strategy", found.strategy)).trains:
        found = replace(found, settings={**found.settings, "epochs": epochs})
    return found if model is None else replace(found, model=model)


def _adaptation(
    found: Adaptation | None, backbone: str | None, epochs: int | None
) -> Adaptation | None:
    if found is None:
        return None
    if epochs is not None and found.method != "prompts":
        found = replace(found, settings={**found.settings, "epochs": epochs})
    return found if backbone is None else replace(found, backbone=backbone)
