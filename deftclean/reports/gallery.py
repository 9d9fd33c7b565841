"""Rows of a score table, each with a small picture. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deftclean.reports.choosing import SHOWN, SHOWN_FOR
from deftclean.reports.pictures import Picture
from deftclean.table.estimate import WITNESS_COLUMNS, heard
from deftclean.table.kinds import KINDS, REASONS
from deftclean.table.reviewed import AUDIT
from deftclean.table.scores import ScoreTable, keep_flags

_UNLIKELY = 0.2  # probability of the given label below which a witness speaks against it


@dataclass(frozen=True)
class Exhibit:
    """One row.

    Attributes:
        row, file_name, content_sha256, given_label: of the table.
        suggested: the class that fits best, or None.
        clean_prob, suggested_prob: in [0, 1].
        said: name and probability of the given label, of each witness that spoke.
        against: those of them that were heard and called the given label unlikely.
        below: flagged because `clean_prob` is not above the threshold.
        outdone: flagged because another class has a higher clean probability: that class.
        picture: None where there is none to show.
        problem: why not.
        sample: the random sample that it was drawn in; empty where it was not.
        shown_for: why it is in the gallery, see `choosing`.
        kind: of the row, or None.
        quality: reasons why its picture is a bad one.
    """

    row: int
    file_name: str
    content_sha256: str
    given_label: str
    suggested: str | None
    clean_prob: float
    suggested_prob: float | None
    said: tuple[tuple[str, float], ...]
    against: tuple[str, ...]
    below: bool
    outdone: str | None
    picture: Picture | None
    problem: str
    sample: str = ""
    shown_for: str = ""
    kind: str | None = None
    quality: tuple[str, ...] = ()


def exhibits(chosen: ScoreTable, pictures: Sequence[Picture | str]) -> tuple[Exhibit, ...]:
    """A few rows, each with its picture or why there is none, in the same order."""
    rule, threshold = chosen.metadata["rule"], float(chosen.metadata["threshold"])
    kept = chosen.table["keep"].to_pylist()
    above = keep_flags(chosen.table, "threshold", threshold).to_pylist()
    names = [name for name in (*SHOWN, SHOWN_FOR) if name in chosen.table.column_names]
    rows, listened = chosen.table.select(names).to_pylist(), heard(chosen.metadata)
    return tuple(
        _exhibit(
            row, not above[place] and not kept[place], rule == "agree", pictures[place], listened
        )
        for place, row in enumerate(rows)
    )


def _exhibit(
    row: dict[str, Any],
    below: bool,
    agree: bool,
    picture: Picture | str,
    listened: tuple[str, ...],
) -> Exhibit:
    top = row["clean_top_label"]
    spoken = {name: row[name] for name in WITNESS_COLUMNS.values()}
    said = {name: prob for name, prob in spoken.items() if prob is not None}
    return Exhibit(
        row=row["row"],
        file_name=row["file_name"],
        content_sha256=row["content_sha256"],
        given_label=row["given_label"],
        suggested=row["suggested_label"],
        clean_prob=row["clean_prob"],
        suggested_prob=row["suggested_prob"],
        said=tuple(said.items()),
        against=tuple(name for name in listened if said.get(name, 1.0) < _UNLIKELY),
        below=below,
        outdone=top if agree and top not in (None, row["given_label"]) else None,
        picture=picture if isinstance(picture, Picture) else None,
        problem=picture if isinstance(picture, str) else "",
        sample=row.get(AUDIT) or "",
        shown_for=row.get(SHOWN_FOR) or "",
        kind=row["kind"] if row["kind"] in KINDS else None,
        quality=tuple(name for name in (row["quality"] or "").split(", ") if name in REASONS),
    )
