"""What is to be done when a data set is scored in parts, and how far it is. No torch."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from deftclean.applying.asked import Asked
from deftclean.applying.folder import Place
from deftclean.applying.plan import Unit, units_of
from deftclean.applying.sharded import RowsToScore
from deftclean.core.run import RunOptions
from deftclean.hearing.brought import Brought


@dataclass(frozen=True)
class Work:
    """What all units of a data set have in common; plain values, for any process.

    Attributes:
        asked: the detector, and how it is asked.
        rows: N of them.
        output: the folder.
        unit_rows: of a unit.
        brought: what the user brought beside the model; nothing that is known row by row.
        run: device, model, cache.
        mirror: the folder of this run with what lay behind URLs; None where nothing did.
    """

    asked: Asked
    rows: RowsToScore
    output: Place
    unit_rows: int
    brought: Brought
    run: RunOptions
    mirror: Path | None = None

    @cached_property
    def units(self) -> list[Unit]:
        """All, in the order of their rows."""
        return units_of(self.rows.count, self.unit_rows)

    @property
    def is_here(self) -> bool:
        """Whether what lay behind URLs is on the machine of this process too, where it looks."""
        here = Path(tempfile.gettempdir()).resolve()
        return self.mirror is None or (self.mirror.parent == here and self.mirror.is_dir())

    @property
    def places(self) -> tuple[Path, Path | None, Path]:
        """Data folder, label table and detector, as a table names them."""
        return self.rows.first.root, self.rows.first.labels_file, self.asked.home


@dataclass(frozen=True)
class Outcome:
    """How far the units of a folder are.

    Attributes:
        scored, found: units that were scored now, and those that were there before.
        failed: units that could not be scored, and why.
        open: how many are still to be done, these among them.
        told: the metadata of the table that the folder is now; None where units are open.
    """

    scored: int
    found: int
    failed: Sequence[tuple[Unit, str]]
    open: int
    told: dict[str, Any] | None
