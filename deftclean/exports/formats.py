"""What `export` can write, and what each format holds unless the user says otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from deftclean.core.errors import UsageError

Target = Literal["csv", "parquet", "folder", "imagefolder", "cleanlab", "fiftyone", "label-studio"]
RowChoice = Literal["kept", "flagged", "all"]
Link = Literal["copy", "hard", "symlink"]
Correction = Literal["suggested"]

ABOVE = 0.95
"""`suggested_prob` that a row needs, unless the user says otherwise."""


@dataclass(frozen=True)
class Format:
    """One target.

    Attributes:
        rows: which rows it holds by default.
        suffixes: of the output file; empty where the output is a folder.
        pictures: rows whose picture could not be read are left out.
        labels: rows without a label are left out.
        corrects: each row has one label, which may be a suggested one.
    """

    rows: RowChoice
    suffixes: tuple[str, ...] = ()
    pictures: bool = False
    labels: bool = False
    corrects: bool = False


FORMATS: Mapping[Target, Format] = {
    "csv": Format("kept", (".csv",), corrects=True),
    "parquet": Format("kept", (".parquet",), corrects=True),
    "folder": Format("kept", pictures=True, labels=True, corrects=True),
    "imagefolder": Format("kept", pictures=True, corrects=True),
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


def check_apply(
    apply: Correction | None, above: float | None, to: Target, rows: RowChoice | None
) -> list[str]:
    """What is wrong with these options, in a clause each."""
    if apply is None:
        return ["--above goes with --apply suggested"] if above is not None else []
    problems = []
    if apply not in get_args(Correction):
        problems.append(f"--apply {apply}: there is nothing to apply but suggested")
    if above is not None and not 0 < above <= 1:
        problems.append(f"--above is {above}; it must be above 0 and at most 1")
    if not FORMATS[to].corrects:
        able = ", ".join(name for name, each in FORMATS.items() if each.corrects)
        problems.append(
            f"--apply goes with --to {able}: {to} shows given and suggested labels side by side "
            "and has no place for a corrected one"
        )
    if rows == "flagged":
        problems.append("--apply goes with --rows kept and all: a corrected row is not flagged")
    return problems
