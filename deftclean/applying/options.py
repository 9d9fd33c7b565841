"""How a data set is scored in parts. No torch here."""

from dataclasses import dataclass

from deftclean.core.errors import UsageError
from deftclean.core.fields import setting

_PANEL = "In parts"

UNIT_ROWS = 65_536
"""Rows of a unit: some megabytes of table, some minutes of work."""


@dataclass(frozen=True)
class PartsOptions:
    """Which rows are scored, and how many are written at a time.

    Attributes:
        part: i/n, from 1; None for a table in one file.
        unit_rows: of a unit, which is scored and written as one.

    Raises:
        UsageError: a unit of another size, and no parts.
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

    def __post_init__(self) -> None:
        if self.part is None and self.unit_rows != UNIT_ROWS:
            raise UsageError("--unit-rows goes with --part.", "Leave it out.")
