"""The results of a comparison: one row for each cell, in a Parquet file that is written whole."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deftclean.core.arrow_types import refuse_nan
from deftclean.core.errors import InputError
from deftclean.core.switch import whole_file
from deftclean.experiments.cells import Cell

RESULTS = "results.parquet"

_TEXT, _SHARE, _COUNT = pa.string(), pa.float64(), pa.int64()
RESULT_SCHEMA = pa.schema(
    [
        ("key", _TEXT),
        ("cell", _TEXT),
        *((name, _TEXT) for name in ("grid", "column", "method", "data", "noise")),
        ("ratio", _SHARE),
        *((name, _TEXT) for name in ("strategy", "preset", "model", "settings")),
        *((name, _TEXT) for name in ("backbone", "adapt_method", "adapt_settings")),
        ("seed", _COUNT),
        ("published", _TEXT),
        ("rows", _COUNT),
        ("scored", _COUNT),
        ("judged", _COUNT),
        *((name, _SHARE) for name in ("precision", "recall", "f1")),
        *((name, _SHARE) for name in ("wrong_precision", "wrong_recall", "wrong_f1")),
        *((name, _SHARE) for name in ("auroc", "missed_at_budget")),
        *((name, _SHARE) for name in ("noise_rate", "estimated_noise_rate")),
        *((name, _SHARE) for name in ("accuracy_best", "accuracy_last")),
        ("trained_on", _COUNT),
        ("tested_on", _COUNT),
        *((name, _SHARE) for name in ("seconds", "scan_seconds", "adapt_seconds")),
        ("peak_memory_mb", _SHARE),
        *((name, _TEXT) for name in ("device", "precision_mode")),
        *((name, _TEXT) for name in ("weights_sha256", "backbone_sha256")),
        ("warnings", _TEXT),
        ("limit_rows", _COUNT),
        ("all_rows", pa.bool_()),
        ("tool_version", _TEXT),
        ("error", _TEXT),
        ("how", _TEXT),
    ]
)
"""Shares are in [0, 1]; settings, published and warnings are JSON. `precision` is that of the kept
rows; `precision_mode` is that of the arithmetic. `how` stands for all that decides a row except its
seed; null in files of an earlier version."""

_HOW = (
    *("data", "noise", "ratio", "strategy", "preset", "model", "settings", "backbone"),
    *("adapt_method", "adapt_settings", "limit_rows", "all_rows", "tool_version"),
    "precision_mode",
)
"""Columns that say the most of `how`, where it is null."""

MEASUREMENTS = ("seconds", "scan_seconds", "adapt_seconds", "peak_memory_mb")
"""Columns that differ when the same is run again."""


@dataclass(frozen=True)
class Results:
    """The file.

    Attributes:
        path: of the file.
        rows: as plain values, in their order.
    """

    path: Path
    rows: tuple[dict[str, Any], ...]

    @classmethod
    def read(cls, folder: Path) -> "Results":
        """What stands there; no rows where there is no file.

        Raises:
            InputError: it is damaged or not ours.
        """
        path = folder / RESULTS
        if not path.is_file():
            return cls(path, ())
        try:
            with pq.ParquetFile(path) as file:
                table = file.read()
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                f"{path} cannot be read: {str(error).splitlines()[0]}",
                "Move it away: what was scanned beside it is found again.",
            ) from error
        if "how" not in table.schema.names:
            table = table.append_column("how", pa.nulls(len(table), _TEXT))
        if table.schema.names != RESULT_SCHEMA.names:
            raise InputError(
                f"{path} has other columns; it is of another version.", "Choose another -o."
            )
        return cls(path, tuple(table.to_pylist()))

    def done(self) -> set[str]:
        """Keys of rows without an error."""
        return {row["key"] for row in self.rows if row["error"] is None}

    def with_row(self, row: Mapping[str, Any], order: Mapping[str, int]) -> "Results":
        """The same with one cell's row in place of an earlier one.

        Rows of other seeds that were made in another way go too: a mean over both says nothing.

        Args:
            row: with every column.
            order: place of the cells of this command; rows of other commands come first.
        """
        rows = [old for old in self.rows if _may_stay(old, row)] + [dict(row)]
        rows.sort(key=lambda each: order.get(each["cell"], -1))  # stable
        return Results(self.path, tuple(rows))

    def with_how(self, key: str, how: str) -> "Results":
        """The same with `how` in the row of this key; a file of an earlier version has it not."""
        found = {row["cell"]: {**row, "how": how} for row in self.rows if row["key"] == key}
        rows = (found.get(row["cell"], row) for row in self.rows)
        others = found.values()
        kept = (row for row in rows if row in others or all(_may_stay(row, o) for o in others))
        return Results(self.path, tuple(kept))

    def write(self) -> None:
        """Replace the file.

        Raises:
            RunError: the disk is full.
        """
        table = pa.Table.from_pylist(list(self.rows), schema=RESULT_SCHEMA)
        refuse_nan(table, RESULT_SCHEMA.names)
        with whole_file(self.path, overwrite=True) as temporary:
            pq.write_table(table, temporary, compression="zstd")


def cell_columns(cell: Cell) -> dict[str, Any]:
    """All that a cell says, as columns; what it has not is null."""
    chosen, adaptation = cell.selection, cell.adaptation
    return {
        "cell": cell_name(cell),
        "grid": cell.grid,
        "column": cell.column,
        "method": cell.method,
        "data": cell.data.name,
        "noise": cell.data.noise,
        "ratio": cell.data.ratio,
        "strategy": chosen.strategy if chosen else None,
        "preset": chosen.preset if chosen else None,
        "model": chosen.model if chosen else None,
        "settings": settings_text(chosen.settings) if chosen else None,
        "backbone": adaptation.backbone if adaptation else None,
        "adapt_method": adaptation.method if adaptation else None,
        "adapt_settings": settings_text(adaptation.settings) if adaptation else None,
        "seed": cell.seed,
        "published": settings_text(cell.published),
    }


def cell_name(cell: Cell) -> str:
    """What tells a cell from others of a comparison, whatever it is run with."""
    return hashed([cell.grid, cell.column, cell.method, cell.seed])


def cell_title(row: Mapping[str, Any], last: str) -> str:
    """What a person calls a cell: grid, column, method, and its data or its seed.

    Args:
        row: of the results, or `cell_columns` of a cell.
        last: `data` or `seed`.
    """
    end = f"seed {row['seed']}" if last == "seed" else row[last]
    return " · ".join([row["grid"], row["column"], row["method"], end])


def hashed(value: Any) -> str:
    """Sixteen hexadecimal digits that stand for plain values."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _may_stay(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    if old["cell"] == new["cell"]:
        return False
    if any(old[name] != new[name] for name in ("grid", "column", "method")):
        return True
    if old["how"] is not None and new["how"] is not None:
        return bool(old["how"] == new["how"])
    return all(old[name] == new[name] for name in _HOW)


def settings_text(values: Mapping[Any, Any]) -> str:
    """Plain values as they stand in a column: JSON, by name."""
    return json.dumps(dict(values), sort_keys=True, ensure_ascii=False)
