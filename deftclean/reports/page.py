"""Figures and pictures to one HTML page that needs nothing else.

Every text goes through the template engine's escaping or into JSON that cannot end its element. The
page's own rules let nothing be loaded, and no script run but its own, known by its hash.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deftclean.core.errors import RunError
from deftclean.core.html import content_hash, page_environment
from deftclean.reports.gallery import Exhibit
from deftclean.reports.histogram import histogram
from deftclean.reports.map import SIDE, Places
from deftclean.reports.overview import Overview
from deftclean.reports.pictures import Picture
from deftclean.table.audit import Sample

MOST_BYTES = 15_000_000
"""No report is larger."""

Filter = list[tuple[str, int]]
"""Labels to choose from, and in how many rows of the gallery each is."""

_ASSETS = Path(__file__).parents[1] / "assets" / "report"
_LONGEST = 160  # characters of a name that are shown
_JOINERS = "\u200c\u200d"  # not printable by themselves, but parts of words and emoji
_HEATS = 6  # shades of a confusion
_SIZES = (("wide", 425.0), ("narrow", 252.0))  # the histogram twice, so that a phone's can be read


@dataclass(frozen=True)
class Map:
    """Rows as points.

    Attributes:
        places: where they lie.
        pictures: of each row, or why there is none.
    """

    places: Places
    pictures: list[Picture | str]


@dataclass(frozen=True)
class Contents:
    """What a page shows.

    Attributes:
        name: of the table's file.
        identity: of the table's content; what a browser keeps is kept under it.
        facts: the table's metadata.
        overview: in figures.
        exhibits: the gallery.
        waiting: flagged rows that nobody has decided about, shown or not.
        class_filter: given labels that the gallery is limited to; empty for all.
        labels: what a row may be relabelled to.
        sample: that the gallery is of; None where it shows the most suspicious rows.
        map: of embeddings; None for none.
    """

    name: str
    identity: str
    facts: dict[str, Any]
    overview: Overview
    exhibits: tuple[Exhibit, ...]
    waiting: int
    class_filter: tuple[str, ...]
    labels: tuple[str, ...]
    sample: Sample | None = None
    map: Map | None = None


def page(contents: Contents) -> bytes:
    """The whole file, UTF-8; the same contents give the same bytes.

    Raises:
        RunError: it would be too large.
    """
    threshold = float(contents.facts["threshold"])
    bins = contents.overview.bins
    charts = [histogram(bins, threshold, name, width) for name, width in _SIZES]
    css = _asset("report.css")
    script = "".join(map(_asset, ("report.js", "enlarge.js", "map.js")))
    given, suggested = (_filter(contents, field) for field in ("given_label", "suggested"))
    text = (
        page_environment(
            _ASSETS, shown=shown, count=_count, percent=_percent, probability=_probability
        )
        .get_template("page.html")
        .render(
            contents=contents,
            overview=contents.overview,
            model=contents.facts.get("model"),
            rule=contents.facts["rule"],
            strategy=_strategy(contents.facts),
            meaning=_meaning(_strategy(contents.facts)),
            warnings=contents.facts.get("warnings", []),
            threshold=threshold,
            charts=charts,
            css=css,
            css_hash=content_hash(css),
            script=script,
            script_hash=content_hash(script),
            data=_data(contents, given, suggested),
            given_filter=given,
            suggested_filter=suggested,
            kind_filter=_counted(contents, lambda each: [each.kind] if each.kind else []),
            quality_filter=_counted(contents, lambda each: each.quality),
            side=SIDE,
            shown_for={exhibit.shown_for for exhibit in contents.exhibits},
            heats=_heats(contents.overview),
        )
    )
    encoded = text.encode()
    if len(encoded) > MOST_BYTES:
        raise RunError(
            f"The report would be {len(encoded):,} bytes; the limit is {MOST_BYTES:,}. "
            f"{len(contents.labels):,} class names and {len(contents.exhibits):,} pictures are too "
            "much for one file.",
            "Show fewer: --images 100",
        )
    return encoded


def shown(text: str | None) -> str:
    """A name as a page shows it: control characters visible, and not endless.

    Marks that turn the direction of writing are control characters too.
    """
    if text is None:
        return "none"
    cut = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    visible = "".join(c if c.isprintable() or c in _JOINERS else ascii(c)[1:-1] for c in cut)
    return visible if visible.strip() else "(blank)"


def _strategy(facts: dict[str, Any]) -> str:
    """Which way of selecting made a table; older ones knew DEFT alone, and do not say."""
    return str(facts.get("strategy") or "deft")


def _meaning(strategy: str) -> str:
    """What `clean_prob` is in a table of this strategy."""
    if strategy == "evidence":
        return "the probability that the given label is right, by all evidence"
    if strategy == "deft":
        return "how clean DEFT's two prompts find the given label: it ranks, and is not calibrated"
    return f"the score of strategy {shown(strategy)}: it ranks rows, and is no probability"


def _count(number: int) -> str:
    return f"{number:,}"


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _probability(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _data(contents: Contents, given: Filter, suggested: Filter) -> dict[str, Any]:
    """What the script must know exactly, which shown text is not."""
    return {
        "table": contents.identity,
        "labels": contents.labels,
        "given": [name for name, _ in given],
        "suggested": [name for name, _ in suggested],
        "rows": [
            {
                "row": exhibit.row,
                "file_name": exhibit.file_name,
                "content_sha256": exhibit.content_sha256,
                "given_label": exhibit.given_label,
                # Who is asked for a judgement must not be told one.
                "suggested": exhibit.suggested if contents.sample is None else None,
                "sample": exhibit.sample if contents.sample is not None else "",
                "kind": exhibit.kind if contents.sample is None else None,
                "quality": exhibit.quality if contents.sample is None else [],
                "pixels": math.prod(exhibit.picture.full) if exhibit.picture else 0,
            }
            for exhibit in contents.exhibits
        ],
        "map": None if contents.map is None else _points(contents.map),
    }


def _points(map_: Map) -> dict[str, Any]:
    """Columns of the M points; names of classes stand once."""
    table = map_.places.rows.table
    labels = {name: table[name].to_pylist() for name in ("given_label", "suggested_label")}
    names = sorted({name for each in labels.values() for name in each if name is not None})
    number = {name: at for at, name in enumerate(names)}
    sources = [each.source if isinstance(each, Picture) else "" for each in map_.pictures]
    return {
        "names": [shown(name) for name in names],
        "x": map_.places.points[:, 0].tolist(),
        "y": map_.places.points[:, 1].tolist(),
        "row": table["row"].to_pylist(),
        "file": [shown(name) for name in table["file_name"].to_pylist()],
        "given": [number.get(name, -1) for name in labels["given_label"]],
        "suggested": [number.get(name, -1) for name in labels["suggested_label"]],
        "kept": table["keep"].to_pylist(),
        "prob": [_probability(value) for value in table["clean_prob"].to_pylist()],
        "source": sources,
        "problem": [each if isinstance(each, str) else "" for each in map_.pictures],
    }


def _counted(contents: Contents, of: Callable[[Exhibit], Iterable[str]]) -> Filter:
    """Names that rows of the gallery have, and in how many each is; the most frequent first."""
    if contents.sample is not None:
        return []
    return Counter(name for exhibit in contents.exhibits for name in of(exhibit)).most_common()


def _filter(contents: Contents, field: str) -> Filter:
    """The labels in one field of the gallery, by name."""
    found: dict[str, int] = {}
    for exhibit in contents.exhibits:
        name = getattr(exhibit, field)
        if name is not None:
            found[name] = found.get(name, 0) + 1
    return sorted(found.items(), key=lambda item: _natural(item[0]))


def _natural(name: str) -> list[tuple[int, str]]:
    """A key by which 2 comes before 10, and case does not count first."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _heats(overview: Overview) -> list[list[int]]:
    """The shade of every confusion, 0 for none; shades grow with the square root."""
    most = max((count for row in overview.confusions.counts for count in row), default=0)
    return [
        [0 if not count else 1 + int((_HEATS - 1) * (count / most) ** 0.5) for count in row]
        for row in overview.confusions.counts
    ]
