"""Commands that lead on, whole and quoted, for the hints of refusals. Knows no format."""

import shlex
from pathlib import Path

_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")


def scan_command(data: Path, labels: Path | None, *options: str) -> str:
    """A scan to be copied, of what the user gave and with more options.

    Args:
        data, labels: as given.
        options: words that follow.
    """
    given = [str(data), *([] if labels is None else [str(labels)])]
    return shlex.join(["deftclean", "scan", *given, *options])


def label_table_command(root: Path) -> str:
    """A scan of a folder with a table of labels: one that lies in it, or else an example."""
    found = sorted(
        path for path in root.iterdir() if path.is_file() and path.suffix.lower() in _TABLES
    )
    if not found:
        return "deftclean scan data/ labels.csv"
    return scan_command(root, found[0])
