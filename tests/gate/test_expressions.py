"""Gate expressions: what is read, and how what cannot be read is shown."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deftclean.core.errors import UsageError
from deftclean.gate.expressions import (
    COUNTS,
    METRICS,
    WITHOUT_CLASS,
    Expression,
    parse_expressions,
    refuse_changes,
    refuse_unknown_classes,
)
from deftclean.table.comparison import CHANGES
from deftclean.table.scores import STATUSES


@pytest.mark.parametrize(
    ("text", "metric", "label", "comparison", "limit"),
    [
        ("noise_rate>0.05", "noise_rate", None, ">", 0.05),
        (" noise_rate >= 5% ", "noise_rate", None, ">=", 0.05),
        ("noise_rate[cat]>.1", "noise_rate", "cat", ">", 0.1),
        ("noise_rate[ big cat, small ]<1e-3", "noise_rate", "big cat, small", "<", 0.001),
        ("flagged[ä[1]>100", "flagged", "ä[1", ">", 100),
        ('flagged["a]b"]<=0', "flagged", "a]b", "<=", 0),
        ("flagged['it is \"x\"']!=3", "flagged", 'it is "x"', "!=", 3),
        (r'flagged["say \"\\\" "]==3', "flagged", 'say "\\" ', "==", 3),
        ('flagged["two\nlines"]>1', "flagged", "two\nlines", ">", 1),
        ("rows<1e3", "rows", None, "<", 1000),
        ("new_problems[cat]>0", "new_problems", "cat", ">", 0),
    ],
)
def test_what_is_read(text, metric, label, comparison, limit):
    (found,) = parse_expressions(text)
    assert found == Expression(text.strip(), metric, label, comparison, limit)
    assert parse_expressions([text, text]) == (found, found)


def test_every_status_is_a_metric():
    assert set(STATUSES) - {"ok"} <= set(COUNTS)
    assert len(set(METRICS)) == len(METRICS)


@given(label=st.text(min_size=1))
def test_every_class_can_be_written_in_quotes(label):
    escaped = label.replace("\\", "\\\\").replace('"', '\\"')
    (found,) = parse_expressions(f'flagged["{escaped}"]>0')
    assert found.label == label


@given(text=st.text(alphabet="noise_rate[]\"'\\<>=!0.5%e+ \n", max_size=20))
def test_any_text_is_read_or_refused_with_the_usage_error(text):
    with contextlib.suppress(UsageError):
        (found,) = parse_expressions(text)
        assert found.metric in METRICS


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("", "\n\n^ expected a metric, such as noise_rate"),
        ("noise_rate", "\nnoise_rate\n          ^ expected a comparison: > >= < <= == != or"),
        ("noise_rate=0.05", "\nnoise_rate=0.05\n          ^ expected a comparison"),
        ("noise_rate[cat>0.1", "\nnoise_rate[cat>0.1\n                  ^ expected a closing ]"),
        ("noise_rate[]>0.1", "\n           ^ expected a class"),
        ('noise_rate["cat]>0.1', "\n           ^ expected a class; a quote that opens here is not"),
        ("flagged>1 or 1", "\n          ^ expected nothing more"),
        ("flagged\n>x", "\nflagged\\n>x\n       ^ "),
        ("__import__('os')>1", "\n__import__('os')>1\n          ^ expected a comparison"),
    ],
)
def test_a_mark_shows_where_it_goes_wrong(text, mark):
    with pytest.raises(UsageError) as caught:
        parse_expressions(text)
    assert mark in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nois_rate>0.1", "there is no metric nois_rate (did you mean 'noise_rate'?)"),
        ("xyz>0.1", "there is no metric xyz"),
        ("noise_rate>5", "noise_rate lies in [0, 1], that is 0% to 100%"),
        ("flagged>0.1", "flagged is a number of rows: 0, 1, 2 ..."),
        ("flagged>-1", "flagged is a number of rows"),
        ("flagged>1e999", "flagged is a number of rows"),
        ("flagged[50%]>5%", "flagged is a number of rows; for a share see noise_rate"),
        ("unlabeled[cat]>0", "rows that are unlabeled have no class"),
        ("gone_rows[cat]>0", "rows that are gone have no class"),
    ],
)
def test_what_no_table_can_be_asked(text, problem):
    with pytest.raises(UsageError) as caught:
        parse_expressions(text)
    assert f"{text}: {problem}" in caught.value.message


def test_all_bad_expressions_are_shown_together():
    with pytest.raises(UsageError) as caught:
        parse_expressions(["flagged>", "noise_rate>0.1", "flaged>1"])
    assert caught.value.message.startswith("--fail-on: 2 of 3 expressions cannot be used.\n")
    assert "expected a number" in caught.value.message
    assert "did you mean 'flagged' or" in caught.value.message


def test_unknown_classes_are_refused_with_close_names():
    asked = parse_expressions(["flagged[dgo]>1", "flagged[xx]>1", "flagged[cat]>1", "flagged>1"])
    with pytest.raises(UsageError) as caught:
        refuse_unknown_classes(asked, ["cat", "dog"])
    assert caught.value.message == (
        "--fail-on: there is no class 'dgo' (did you mean 'dog'?); there is no class 'xx'."
    )
    assert caught.value.hint == "The classes are cat, dog."
    refuse_unknown_classes(asked[2:], ["cat", "dog"])


def test_changes_need_a_baseline():
    with pytest.raises(UsageError, match="cleared can be counted only against an earlier table"):
        refuse_changes(parse_expressions(["flagged>1", "cleared>1"]))
    assert set(CHANGES) & WITHOUT_CLASS == {"gone_rows"}


@pytest.mark.parametrize(
    ("comparison", "holds"),
    [
        (">", (False, False, True)),
        (">=", (False, True, True)),
        ("<", (True, False, False)),
        ("<=", (True, True, False)),
        ("==", (False, True, False)),
        ("!=", (True, False, True)),
    ],
)
def test_comparisons(comparison, holds):
    (asked,) = parse_expressions(f"flagged{comparison}5")
    assert tuple(asked.holds(value) for value in (4, 5, 6)) == holds


def test_what_needs_a_baseline_says_how_to_give_it():
    with pytest.raises(UsageError) as caught:
        refuse_changes(parse_expressions(["moved>0", "new_rows>1", "moved>2", "rows>3"]))
    assert caught.value.message == (
        "--fail-on: moved, new_rows can be counted only against an earlier table."
    )
    assert caught.value.hint == "Give it: --baseline old.parquet"


@pytest.mark.parametrize(
    ("count", "hint"), [(2, "The classes are c0, c1."), (20, "c18, c19."), (21, "There are 21")]
)
def test_few_classes_are_listed_and_many_are_counted(count, hint):
    known = [f"c{number}" for number in range(count)]
    with pytest.raises(UsageError, match="there is no class 'none'") as caught:
        refuse_unknown_classes(parse_expressions("rows[none]>0"), known)
    assert hint in caught.value.hint


@pytest.mark.parametrize("quote", ["'", '"'])
def test_an_open_quote_is_said_to_be_one(quote):
    with pytest.raises(UsageError, match="a quote that opens here is not closed"):
        parse_expressions(f"rows[{quote}cat]>0")


def test_at_most_three_similar_names_are_suggested():
    known = ["cats", "cat1", "cat2", "cat3", "dog"]
    with pytest.raises(UsageError) as caught:
        refuse_unknown_classes(parse_expressions("rows[cat]>0"), known)
    assert caught.value.message.count(" or ") == 2
