"""Cards of folders, read back."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from deftclean.core.cards import card_from, record
from deftclean.core.errors import InputError


@pytest.fixture
def card(tmp_path):
    path = tmp_path / "mine" / "card.json"
    path.parent.mkdir()
    return path


def test_a_card_is_made_from_what_the_file_says(card):
    card.write_text(json.dumps({"format_version": 1, "name": "ü"}), encoding="utf-8")
    assert card_from(card, 1, lambda values: values["name"]) == "ü"


def test_a_card_of_a_newer_format_is_refused_before_it_is_made(card):
    card.write_text(json.dumps({"format_version": 2}))
    with pytest.raises(InputError, match="mine was written by a newer deftclean"):
        card_from(card, 1, lambda values: values["name"])


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"format_version": 1}', '{"format_version": "x"}',
        r'{"format_version": 1, "name": "\ud800"}',
    ],
)  # fmt: skip
def test_a_damaged_card_is_said_to_be(card, text):
    card.write_text(text)
    with pytest.raises(InputError, match=r"card\.json is damaged"):
        card_from(card, 1, lambda values: values["name"])


@dataclass(frozen=True)
class Inner:
    rate: float
    rule: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer:
    count: int
    name: str | None
    sizes: tuple[int, ...]
    names: dict[str, str]
    inner: Inner
    maybe: Inner | None = None
    rest: list[dict[str, Any]] = field(default_factory=list)


GOOD: dict[str, Any] = {
    "count": 3, "name": None, "sizes": [1, 2], "names": {"0": "cat"}, "inner": {"rate": 1},
}  # fmt: skip


def test_a_record_from_plain_values():
    made = record(Outer, {**GOOD, "maybe": {"rate": 0.5, "rule": "b"}, "rest": [{"x": [1]}]})
    assert made == Outer(3, None, (1, 2), {"0": "cat"}, Inner(1), Inner(0.5, "b"), [{"x": [1]}])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"count": True}, "'count' is True"),
        ({"count": 1.5}, "'count' is 1.5"),
        ({"count": 2**64}, "'count' is 18446744073709551616"),
        ({"name": 3}, "'name' is 3"),
        ({"sizes": "12"}, "'sizes' is '12'"),
        ({"sizes": [1, "2"]}, "'sizes' is a list of something else"),
        ({"names": {"0": 1}}, "'names' is an object of something else"),
        ({"inner": None}, "'inner' is None"),
        ({"inner": {}}, "inner: 'rate' is missing"),
        ({"inner": {"rate": "x"}}, "'rate' is 'x'"),
        ({"inner": {"rate": float("nan")}}, "'rate' is nan"),
        ({"inner": {"rate": 1, "rule": "c"}}, "'rule' is 'c'"),
        ({"rest": {}}, "'rest' is an object of something else"),
        ({"other": 1}, "'other' is unknown"),
    ],
)
def test_values_of_another_type_are_named(change, said):
    with pytest.raises(ValueError, match=said):
        record(Outer, {**GOOD, **change})


def test_all_that_is_wrong_is_said_at_once():
    values = {**GOOD, "x": 1, "name": 3}
    del values["count"]
    with pytest.raises(ValueError, match=r"'x' is unknown, 'count' is missing, 'name' is 3"):
        record(Outer, values)


@pytest.mark.parametrize("text", ["[" * 100_000, "\ufeff{}", '{"format_version": null}'])
def test_hostile_cards(card, text):
    card.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"card\.json is damaged"):
        card_from(card, 1, lambda values: values["name"])


def refusal(read: Callable[[], object]) -> str | None:
    """What an `InputError` says; None where there is none."""
    try:
        read()
    except InputError as error:
        return error.message
    return None


def test_cards_of_detectors_and_run_folders(tmp_path):
    """Any one value in the place of any other: refused by name, and no traceback."""
    from deftclean.models.detector_card import read_card
    from deftclean.settings.detector import PRESETS

    folder = tmp_path / "x.detector"
    folder.mkdir()
    (folder / "detector.safetensors").touch()
    good = {
        "format_version": 1, "tool_version": "1", "model": "nano", "weights": None,
        "weights_sha256": "0", "label_names": {"a": "a", "b": "b"},
        "config": PRESETS["real"].as_dict(), "threshold": 0.5, "epochs": [], "warnings": [],
    }  # fmt: skip
    card = folder / "detector.json"
    card.write_text(json.dumps(good), encoding="utf-8-sig")
    assert read_card(folder).class_names == ("a", "b")
    wrong = [None, True, -3, 0.5, "x", [], {}, [1], {"a": 1}, 2**70, float("nan")]
    outcomes = []
    for name, value in [(name, value) for name in [*good, *good["config"]] for value in wrong]:
        changed = {**good, name: value} if name in good else good
        if name not in good:
            changed = {**good, "config": {**good["config"], name: value}}
        card.write_text(json.dumps(changed))
        message = refusal(lambda: read_card(folder))
        assert message is None or name.replace("_", "-") in message.replace("_", "-")
        outcomes.append(message)
    assert sum(message is not None for message in outcomes) > 200
