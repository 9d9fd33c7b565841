"""What a score table says at a glance. pandas only; no torch."""

from dataclasses import dataclass

import pandas as pd

from deftclean.scores import ScoreTable

_TOP = 10


@dataclass(frozen=True)
class ClassNoise:
    """One class: how many of its scored rows are suspected."""

    name: str
    flagged: int
    scored: int


@dataclass(frozen=True)
class Confusion:
    """How often one label is suspected to be another."""

    given: str
    suggested: str
    count: int


@dataclass(frozen=True)
class Suspect:
    """One suspected row."""

    row: int
    file_name: str
    given: str
    suggested: str
    clean_prob: float


@dataclass(frozen=True)
class Summary:
    """A score table in short.

    Attributes:
        rows: N.
        scored: rows with a `clean_prob`.
        kept: rows kept.
        flagged: rows scored and not kept.
        noise_rate: flagged ÷ scored, in [0, 1]; None where no row was scored.
        not_scored: rows by status other than `ok`.
        classes: the classes with most flagged rows, most first.
        confusions: flagged rows whose suggested label differs, most frequent first.
        suspects: the flagged rows with the lowest `clean_prob`, lowest first.
    """

    rows: int
    scored: int
    kept: int
    flagged: int
    noise_rate: float | None
    not_scored: dict[str, int]
    classes: tuple[ClassNoise, ...]
    confusions: tuple[Confusion, ...]
    suspects: tuple[Suspect, ...]


def summarise(scores: ScoreTable) -> Summary:
    """Count what a table holds; at most ten entries in each list."""
    columns = ["row", "file_name", "given_label", "predicted_label", "clean_prob", "keep", "status"]
    frame = scores.table.select(columns).to_pandas()
    scored = frame[frame["clean_prob"].notna()]
    flagged = scored[~scored["keep"]]
    per_class = pd.DataFrame(
        {
            "flagged": flagged.groupby("given_label").size(),
            "scored": scored.groupby("given_label").size(),
        }
    ).fillna(0)
    # Names break ties, so that the order is always the same.
    per_class = per_class[per_class["flagged"] > 0].reset_index(names="name")
    per_class = per_class.sort_values(["flagged", "name"], ascending=[False, True]).head(_TOP)
    differing = flagged[flagged["given_label"] != flagged["predicted_label"]]
    pairs = differing.groupby(["given_label", "predicted_label"]).size().reset_index(name="count")
    pairs = pairs.sort_values(
        ["count", "given_label", "predicted_label"], ascending=[False, True, True]
    ).head(_TOP)
    worst = flagged.sort_values(["clean_prob", "row"]).head(_TOP)
    statuses = frame.loc[frame["status"] != "ok", "status"].value_counts().sort_index()
    return Summary(
        rows=len(frame),
        scored=len(scored),
        kept=int(frame["keep"].sum()),
        flagged=len(flagged),
        noise_rate=len(flagged) / len(scored) if len(scored) else None,
        not_scored={str(status): int(count) for status, count in statuses.items()},
        classes=tuple(
            ClassNoise(str(r["name"]), int(r["flagged"]), int(r["scored"]))
            for r in per_class.to_dict("records")
        ),
        confusions=tuple(
            Confusion(str(r["given_label"]), str(r["predicted_label"]), int(r["count"]))
            for r in pairs.to_dict("records")
        ),
        suspects=tuple(
            Suspect(
                int(r["row"]),
                str(r["file_name"]),
                str(r["given_label"]),
                str(r["predicted_label"]),
                float(r["clean_prob"]),
            )
            for r in worst.to_dict("records")
        ),
    )
