"""What fields say of themselves."""

from dataclasses import dataclass, fields

import pytest

from deftclean.core.fields import Bounds, in_order, reworded, setting, setting_of


@pytest.mark.parametrize(
    ("bounds", "words", "within", "outside"),
    [
        (Bounds(at_least=1), "at least 1", [1, 7], [0, 0.9, -1]),
        (Bounds(at_least=0), "0 or more", [0, 0.0, 5], [-1, -0.1]),
        (Bounds(above=0), "above 0", [1e-9, 3], [0, -1.0]),
        (Bounds(at_least=0, below=1), "in [0, 1)", [0, 0.99], [1, -0.1]),
        (Bounds(above=0, at_most=1), "above 0 and at most 1", [0.1, 1], [0, 1.5]),
    ],
)
def test_bounds_and_their_words(bounds, words, within, outside):
    assert bounds.words == words
    assert all(bounds.hold(value) for value in within)
    assert not any(bounds.hold(value) for value in (*outside, float("nan")))


def test_without_bounds_everything_fits():
    assert Bounds().hold(-1e300)
    assert Bounds().hold("a text")


@dataclass(frozen=True)
class Base:
    rate: float = setting(0.5, "A rate.", flags=("--rate", "-r"), panel="Rates", above=0)
    plain: int = 3


@dataclass(frozen=True)
class Derived(Base):
    more: str = setting("x", "More.")
    rate: float = reworded(Base, "rate", "Another rate.", default=2.0, panel=None)


def test_a_field_keeps_its_default_and_what_is_said_of_it():
    rate, plain = fields(Base)
    assert Base() == Base(0.5, 3)
    said = setting_of(rate)
    assert (said.help, said.panel, said.bounds) == ("A rate.", "Rates", Bounds(above=0))
    assert setting_of(plain) is None


def test_other_words_change_nothing_else():
    rate = fields(Derived)[0]
    said = setting_of(rate)
    assert (rate.name, rate.default, said.help, said.panel) == ("rate", 2.0, "Another rate.", None)
    assert (said.flags, said.bounds) == (("--rate", "-r"), Bounds(above=0))
    assert setting_of(fields(Base)[0]).help == "A rate."


def test_fields_that_an_order_forgets_come_last():
    assert [each.name for each in in_order(Derived, ("more", "plain"))] == ["more", "plain", "rate"]
    with pytest.raises(KeyError, match="gone"):
        in_order(Derived, ("gone",))
