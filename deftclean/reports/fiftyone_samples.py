"""FiftyOne's export of the samples that `export --to fiftyone` made: its `samples.json`.

Another label in `ground_truth` or `final_label` relabels; tags say `keep`, `drop`, or `relabel`,
which takes the suggestion. A sample that was left as it was is undecided.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from deftclean.reports.answers import Answer, Tool, list_of, text_of

SAMPLES = "samples.json"
TAGS = ("keep", "relabel", "drop")

TOOL = Tool(
    "sample",
    "FiftyOne",
    "Change ground_truth in FiftyOne, or tag samples keep, relabel or drop, then export again.",
    "samples were exported",
)


def of_samples(
    samples: Sequence[Mapping[str, Any]], known: Mapping[str, tuple[str | None, str | None]]
) -> tuple[list[Answer], int]:
    """Answers, and how many samples are undecided.

    Args:
        samples: as FiftyOne writes them, numbered from 1.
        known: by row, what the table has for given and final label.
    """
    found = [_answer(sample, str(at), known) for at, sample in enumerate(samples, 1)]
    answers = [each for each in found if each is not None]
    return answers, len(found) - len(answers)


def _answer(
    sample: Mapping[str, Any], at: str, known: Mapping[str, tuple[str | None, str | None]]
) -> Answer | None:
    row = text_of(sample, "row") or ""
    given, final = known.get(row, (None, None))
    told = text_of(sample, "given_label")
    given = given if told is None else told
    tags, chosen = _tags(sample), _chosen(sample, given, final)
    if not tags and not chosen:
        return None
    decision = tags[0] if tags else "keep" if chosen == [given] else "relabel"
    if decision == "relabel" and not chosen:
        chosen = [label for label in [_label(sample, "predictions")] if label is not None]
    wrong = "the tags say several things" if len(tags) > 1 else None
    if len(chosen) > 1:
        wrong = "ground_truth and final_label have both been changed, and differ"
    return Answer(
        at,
        row,
        text_of(sample, "file_name") or "",
        text_of(sample, "content_sha256"),
        told,
        decision,
        chosen[0] if chosen else "",
        wrong=wrong,
    )


def _chosen(sample: Mapping[str, Any], given: str | None, final: str | None) -> list[str]:
    """Labels that somebody has put in: in `ground_truth`, in `final_label`, where they differ."""
    truth, decided = _label(sample, "ground_truth"), _label(sample, "final_label")
    changed = [truth] if truth is not None and truth != given else []
    settled = [decided] if decided is not None and decided != final else []
    return list(dict.fromkeys([*changed, *settled]))


def _label(sample: Mapping[str, Any], field: str) -> str | None:
    value = sample.get(field)
    return text_of(value, "label") if isinstance(value, Mapping) else text_of(sample, field)


def _tags(sample: Mapping[str, Any]) -> list[str]:
    """Of the tags of the sample and of its labels, those that decide."""
    there: list[Any] = list_of(sample, "tags")
    for field in ("ground_truth", "predictions", "final_label"):
        value = sample.get(field)
        there += list_of(value, "tags") if isinstance(value, Mapping) else []
    return [tag for tag in TAGS if tag in there]
