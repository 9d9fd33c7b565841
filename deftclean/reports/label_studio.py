"""Label Studio's exports of the tasks that `export --to label-studio` made: JSON, JSON-MIN, CSV.

A choice that is the given label keeps it, another one relabels, the further box drops. Skipped
tasks, and those that nobody has submitted a choice for, are undecided.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deftclean.reports.answers import Answer, Tool, list_of, text_of

LABEL, DROP = "label", "drop"
"""The two questions of the labeling interface."""

ANNOTATION = "annotation_id"
"""A column of JSON-MIN and CSV, by which they are known."""

TOOL = Tool(
    "task",
    "Label Studio",
    "Submit choices in Label Studio, then export again: JSON, JSON-MIN or CSV.",
    "tasks were exported",
)


def of_tasks(tasks: Sequence[Mapping[str, Any]]) -> tuple[list[Answer], int]:
    """Answers in an export as JSON, and how many tasks are undecided.

    Of several annotations of one task, those marked as ground truth count, if there are any.
    """
    answers, undecided = [], 0
    for task in tasks:
        given = list_of(task, "annotations") or list_of(task, "completions")
        made = [each for each in given if isinstance(each, Mapping) and not _skipped(each)]
        chosen = [each for each in made if each.get("ground_truth")] or made
        found = [_of_annotation(task, each) for each in chosen]
        there = [each for each in found if each is not None]
        undecided += not there
        answers += there
    return answers, undecided


def of_records(records: Iterable[Mapping[str, Any]]) -> tuple[list[Answer], int]:
    """Answers in an export as JSON-MIN or CSV, and how many records are undecided."""
    answers, undecided = [], 0
    for record in records:
        choices = {name: _listed(record.get(name)) for name in (LABEL, DROP)}
        found = _answer(record, text_of(record, "id"), choices, record.get("annotator"), record)
        undecided += found is None
        answers += [] if found is None else [found]
    return answers, undecided


def _skipped(annotation: Mapping[str, Any]) -> bool:
    return bool(annotation.get("was_cancelled") or annotation.get("skipped"))


def _of_annotation(task: Mapping[str, Any], annotation: Mapping[str, Any]) -> Answer | None:
    choices: dict[str, list[str]] = {LABEL: [], DROP: []}
    for result in list_of(annotation, "result"):
        name = text_of(result, "from_name") if isinstance(result, Mapping) else None
        if name in choices:
            choices[name] += _listed(result.get("value"))
    data = task.get("data")
    told = data if isinstance(data, Mapping) else {}
    who = annotation.get("completed_by")
    return _answer(told, text_of(task, "id"), choices, who, annotation)


def _answer(
    data: Mapping[str, Any],
    task: str | None,
    choices: Mapping[str, list[str]],
    who: Any,
    when: Mapping[str, Any],
) -> Answer | None:
    labels, dropped = choices[LABEL], bool(choices[DROP])
    if not labels and not dropped:
        return None
    given = text_of(data, "given_label")
    decision = "drop" if dropped else "keep" if labels == [given] else "relabel"
    return Answer(
        task or "without a number",
        text_of(data, "row") or "",
        text_of(data, "file_name") or "",
        text_of(data, "content_sha256"),
        given,
        decision,
        labels[0] if labels else "",
        _named(who),
        text_of(when, "updated_at") or text_of(when, "created_at"),
        "several labels are chosen" if len(labels) > 1 else None,
    )


def _listed(value: Any) -> list[str]:
    """Choices as JSON, JSON-MIN and CSV write them: one as text, several in an object or a list."""
    if isinstance(value, str):
        several = _several(value)
        return [value] * bool(value) if several is None else _listed(several)
    if isinstance(value, Mapping):
        return _listed(value.get("choices"))
    return [one for each in value for one in _listed(each)] if isinstance(value, list) else []


def _several(cell: str) -> Any:
    """What a cell of CSV holds where that is more than one choice, else None."""
    if not cell.startswith(('{"choices"', "[")):
        return None
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):  # a class may be called so
        return None


def _named(who: Any) -> str | None:
    """A reviewer: a number, an address, or an object that has one of them."""
    if isinstance(who, Mapping):
        return text_of(who, "email") or text_of(who, "id")
    return text_of({"who": who}, "who")
