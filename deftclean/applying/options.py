"""How a data set is scored in parts. No torch here."""

from dataclasses import dataclass
from typing import Literal

from deftclean.core.errors import UsageError
from deftclean.core.fields import setting

Engine = Literal["ray"]

_PANEL = "In parts"

UNIT_ROWS = 65_536
"""Rows of a unit: some megabytes of table, some minutes of work."""


@dataclass(frozen=True)
class PartsOptions:
    """Which rows are scored, and how many are written at a time.

    Attributes:
        part: i/n, from 1; None for a table in one file.
        unit_rows: of a unit, which is scored and written as one.
        engine: `ray` deals all units out to a pool of processes.
        actors: of the pool; None for one a GPU, or else one a core.

    Raises:
        UsageError: options that cannot go together.
    """

    part: str | None = setting(
        None,
        "i/n: score the i-th of n shares of the rows. -o is a folder that all shares fill, each "
        "in a process or on a host of its own; when none is missing it is a table that check, "
        "report, select and export read.",
        panel=_PANEL,
    )
    unit_rows: int = setting(
        UNIT_ROWS,
        "Rows that are scored and written at a time; the same for all parts.",
        panel=_PANEL,
        at_least=1,
    )

    engine: Engine | None = setting(
        None,
        "ray: score all parts on the hosts of a Ray cluster (RAY_ADDRESS), or on this host's "
        "cores. Needs deftclean\\[ray].",
        panel=_PANEL,
    )
    actors: int | None = setting(
        None,
        "Processes of --engine, each with a model. Default: one for each GPU, or else each core.",
        panel=_PANEL,
        at_least=1,
    )

    @property
    def asked(self) -> bool:
        """Whether a folder is to be filled, and not one file."""
        return self.part is not None or self.engine is not None

    def __post_init__(self) -> None:
        if not self.asked and self.unit_rows != UNIT_ROWS:
            raise UsageError("--unit-rows goes with --part or --engine.", "Leave it out.")
        if self.part is not None and self.engine is not None:
            raise UsageError("--part and --engine exclude each other.", "An engine does all parts.")
        if self.engine is None and self.actors is not None:
            raise UsageError("--actors goes with --engine.", "Leave it out.")
