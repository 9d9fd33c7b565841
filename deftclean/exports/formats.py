"""What `export` can write, and what each format holds unless the user says otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deftclean.core.errors import UsageError

Target = Literal["csv", "parquet", "folder", "imagefolder", "cleanlab", "fiftyone", "label-studio"]
RowChoice = Literal["kept", "flagged", "all"]
Link = Literal["copy", "hard", "symlink"]


@dataclass(frozen=True)
class Format:
    """One target.

    Attributes:
        rows: which rows it holds by default.
        suffixes: of the output file; empty where the output is a folder.
        pictures: rows whose picture could not be read are left out.
        labels: rows without a label are left out.
    """

    rows: RowChoice
    suffixes: tuple[str, ...] = ()
    pictures: bool = False
    labels: bool = False


FORMATS: Mapping[Target, Format] = {
    "csv": Format("kept", (".csv",)),
    "parquet": Format("kept", (".parquet",)),
    "folder": Format("kept", pictures=True, labels=True),
    "imagefolder": Format("kept", pictures=True),
    "cleanlab": Format("all", (".csv", ".parquet")),
    "fiftyone": Format("all", pictures=True),
    "label-studio": Format("flagged", pictures=True),
}


def check_name(to: Target, output: Path) -> None:
    """Refuse an output whose name does not go with the format.

    Raises:
        UsageError: there is no such format, or the name ends in something else.
    """
    if to not in FORMATS:
        raise UsageError(f"--to {to}: there is no such format.", f"Choose {', '.join(FORMATS)}.")
    suffixes = FORMATS[to].suffixes
    if suffixes and output.suffix.lower() not in suffixes:
        raise UsageError(
            f"-o {output}: {to} is written to a file.",
            f"Let its name end in {' or '.join(suffixes)}.",
        )
    if not suffixes and output.suffix.lower() in (".csv", ".json", ".parquet", ".jsonl"):
        raise UsageError(f"-o {output}: {to} is written to a folder.", "Give it a folder's name.")
