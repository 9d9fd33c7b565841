"""Cards of folders, read back."""

import json

import pytest

from deftclean.core.cards import card_from
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
    "text", ["", "[]", "{}", '{"format_version": 1}', '{"format_version": "x"}']
)
def test_a_damaged_card_is_said_to_be(card, text):
    card.write_text(text)
    with pytest.raises(InputError, match=r"card\.json is damaged"):
        card_from(card, 1, lambda values: values["name"])
