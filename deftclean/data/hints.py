"""Commands that lead on, whole and quoted, for the hints of refusals. Knows no format."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from deftclean.core.fields import setting_of
from deftclean.data.options import ManifestOptions

_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")


def scan_command(
    data: Path, labels: Path | None, options: ManifestOptions | None = None, **changes: Any
) -> str:
    """A scan to be copied, of what the user gave and with more options.

    Args:
        data, labels: as given.
        options: as given.
        changes: fields of the options that are to be others.
    """
    files = [str(data), *([] if labels is None else [str(labels)])]
    words = _words(replace(options or ManifestOptions(), **changes))
    return shlex.join(["deftclean", "scan", *files, *words])


def table_command(table: Path, data: Path | None, options: ManifestOptions, **changes: Any) -> str:
    """A scan to be copied, of a table.

    Args:
        table: as given.
        data: its folder of images as given; None where the table was given alone.
        options, changes: as `scan_command`.
    """
    if data is None:
        return scan_command(table, None, options, **changes)
    return scan_command(data, table, options, **changes)


def label_table_command(root: Path) -> str:
    """A scan of a folder with a table of labels: one that lies in it, or else an example."""
    found = sorted(
        path for path in root.iterdir() if path.is_file() and path.suffix.lower() in _TABLES
    )
    if not found:
        return "deftclean scan data/ labels.csv"
    return scan_command(root, found[0])


def _words(options: ManifestOptions) -> Iterator[str]:
    """Options as they are typed, as far as they are not the defaults."""
    for each in fields(options):
        said, value = setting_of(each), getattr(options, each.name)
        if said is None or value == each.default:
            continue
        option = f"--{(said.option or each.name).replace('_', '-')}"
        if isinstance(value, bool):
            yield option
        elif isinstance(value, Mapping):
            yield from (word for old, new in value.items() for word in (option, f"{old}={new}"))
        elif isinstance(value, tuple | list):
            yield from (word for one in value for word in (option, str(one)))
        else:
            yield from (option, "\\t" if value == "\t" else str(value))
