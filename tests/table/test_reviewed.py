"""What people decided, put into a table: `keep`, `final_label` and what metadata say of it."""

import numpy as np
import pyarrow as pa
import pytest

from deftclean.core.errors import InputError
from deftclean.table.reviewed import (
    REVIEW_COLUMNS,
    REVIEW_SCHEMA,
    REVIEWED,
    Decisions,
    EarlierReview,
    ReviewCounts,
    apply_decisions,
    decide_unreviewed,
    refuse_foreign_columns,
    review_counts,
    review_of,
    unreviewed,
    with_review,
)
from deftclean.table.scores import ScoreTable
from tests.support.scored import score_table

PROBS = [0.9, 0.9, 0.9, 0.1, 0.1, 0.1, None, None]
KEEP = [p is not None and p > 0.5 for p in PROBS]


def texts(*values: str | None) -> pa.Array:
    return pa.array(values, pa.string())


def scored() -> ScoreTable:
    """Eight rows: three kept by the rule, three flagged, two without a picture."""
    rows = [
        {
            "given_label": "apple",
            "clean_prob": p,
            "keep": k,
            "status": "missing" if p is None else "ok",
        }
        for p, k in zip(PROBS, KEEP, strict=True)
    ]
    return score_table(rows)


def decisions(places: list[int], said: list[str], labels: list[str | None]) -> Decisions:
    """By Ann, at one o'clock; the first of them in sample s1."""
    many = len(places)
    first = ["s1", *[None] * (many - 1)]
    return Decisions(
        np.array(places), texts(*said), texts(*labels), texts(*["Ann"] * many),
        texts(*["1:00"] * many), texts(*first),
    )  # fmt: skip


@pytest.fixture
def reviewed() -> ScoreTable:
    """Rows 1 to 4, 6 and 7 are looked at."""
    said = ["relabel", "drop", "keep", "relabel", "keep", "relabel"]
    labels = ["leaf", None, None, "leaf", None, "ocean"]
    return apply_decisions(scored(), decisions([1, 2, 3, 4, 6, 7], said, labels))


def test_what_follows_from_decisions(reviewed):
    """Rows of a keep or relabel are kept whatever the rule says, but for those without a picture;
    of others the rule decides. A relabelled row has its new label, a kept one the given one.
    """
    table = reviewed.table
    assert table["keep"].to_pylist() == [True, True, False, True, True, False, False, False]
    assert table["final_label"].to_pylist() == [
        "apple", "leaf", None, "apple", "leaf", None, None, "ocean",
    ]  # fmt: skip
    assert table["review_decision"].to_pylist() == [
        None, "relabel", "drop", "keep", "relabel", None, "keep", "relabel",
    ]  # fmt: skip
    assert table["reviewed_by"].to_pylist() == [None, *["Ann"] * 4, None, "Ann", "Ann"]
    assert table["reviewed_at"].to_pylist() == [None, *["1:00"] * 4, None, "1:00", "1:00"]
    assert table["audit_sample"].to_pylist() == [None, "s1", *[None] * 6]
    assert table["known_to_scan"].to_pylist() == [None, *[False] * 4, None, False, False]
    facts = reviewed.metadata
    assert facts[REVIEWED] == {"rows": 6, "kept": 2, "relabelled": 3, "dropped": 1}
    assert review_counts(reviewed) == ReviewCounts(2, 3, 1)
    assert review_counts(reviewed).rows == 6
    assert facts["noise_rate"] == 2 / 6  # rows 2 and 5 of those that were scored
    assert facts["rule"] == "threshold"


def test_every_column_is_one_piece(reviewed):
    """The same values are the same bytes in the file, whatever they were put together from."""
    for name in ("keep", *REVIEW_COLUMNS):
        assert reviewed.table[name].num_chunks == 1


def test_decisions_of_one_kind_alone():
    kinds = {"keep": ReviewCounts(1, 0, 0), "relabel": ReviewCounts(0, 1, 0)}
    for said, counts in {**kinds, "drop": ReviewCounts(0, 0, 1)}.items():
        made = apply_decisions(scored(), decisions([1], [said], ["leaf"]))
        assert review_counts(made) == counts


def test_a_table_that_nobody_has_looked_at():
    assert review_counts(scored()) == ReviewCounts(0, 0, 0)
    assert unreviewed(scored()).to_pylist() == [True] * 8
    assert review_of(scored()).schema == REVIEW_SCHEMA
    assert all(column.null_count == 8 for column in review_of(scored()).columns)


def test_a_second_review_wins_and_samples_stay(reviewed):
    again = apply_decisions(
        reviewed,
        Decisions(
            np.array([1, 5]), texts("drop", "keep"), texts(None, None), texts("Bob", None),
            texts(None, None), texts(None, "s2"),
        ),
    )  # fmt: skip
    rows = again.table.select([*REVIEW_COLUMNS, "keep"]).to_pylist()
    assert list(rows[1].values()) == [None, "drop", "Bob", None, "s1", False, False]
    assert list(rows[5].values()) == ["apple", "keep", None, None, "s2", False, True]
    assert rows[4] == reviewed.table.select([*REVIEW_COLUMNS, "keep"]).to_pylist()[4]
    assert again.metadata[REVIEWED] == {"rows": 7, "kept": 3, "relabelled": 2, "dropped": 2}
    assert unreviewed(again).to_pylist() == [True, *[False] * 7]


def test_a_class_of_which_people_keep_nothing_is_said():
    dropped = apply_decisions(scored(), decisions([0, 1, 2], ["drop"] * 3, [None] * 3))
    assert "'apple' (6 rows)" in dropped.metadata["warnings"][0]


@pytest.mark.parametrize("threshold", [0.05, 0.95])
def test_a_rule_decides_about_the_others_alone(reviewed, threshold):
    decided = decide_unreviewed(reviewed, "threshold", threshold)
    low = threshold < 0.1
    assert decided.table["keep"].to_pylist() == [low, True, False, True, True, low, False, False]
    assert decided.metadata["threshold"] == threshold
    assert decided.metadata["noise_rate"] == (1 if low else 3) / 6
    assert review_of(decided)["review_decision"] == review_of(reviewed)["review_decision"]
    final = decided.table["final_label"].to_pylist()
    assert final[0] == final[5] == ("apple" if low else None)


def test_a_rule_about_a_table_without_a_review():
    decided = decide_unreviewed(scored(), "threshold", 0.95)
    assert REVIEWED not in decided.metadata
    assert decided.table.column_names == scored().table.column_names
    assert not any(decided.table["keep"].to_pylist())


@pytest.mark.parametrize("known", [True, False])
def test_a_new_scan_takes_decisions_along(reviewed, known):
    """Samples were of rows that the earlier scan flagged."""
    taken = with_review(scored(), review_of(reviewed), known)
    assert taken.table["known_to_scan"].to_pylist() == [None, *[known] * 4, None, known, known]
    assert taken.table["audit_sample"].to_pylist() == [None] * 8
    for name in ("keep", "final_label", "review_decision", "reviewed_by", "reviewed_at"):
        assert taken.table[name].to_pylist() == reviewed.table[name].to_pylist()
    assert taken.table.schema.field("audit_sample").type == pa.string()
    assert taken.table.schema.field("known_to_scan").type == pa.bool_()


def test_decisions_about_pictures_that_are_others_now_are_left_out(reviewed):
    earlier = EarlierReview(review_of(reviewed), texts(*"abcdefg", None))
    assert earlier.rows == 6
    same = earlier.of_same_pictures(texts("a", "b", "x", "d", "x", "f", None, None))
    assert same.columns["review_decision"].to_pylist() == [
        None, "relabel", None, "keep", None, None, None, None,
    ]  # fmt: skip
    assert same.columns["reviewed_by"].to_pylist() == [None, "Ann", None, "Ann", *[None] * 4]
    assert same.rows == 2
    assert same.sha256 is earlier.sha256


def test_the_digest_is_of_what_was_decided_not_of_who_did(reviewed):
    found = EarlierReview(review_of(reviewed), texts(*"abcdefgh"))
    columns = review_of(reviewed)
    by_others = columns.set_column(2, "reviewed_by", [texts(*["Eve"] * 8)])
    other = columns.set_column(0, "final_label", [texts(*["leaf"] * 8)])
    assert EarlierReview(by_others, found.sha256).digest == found.digest
    assert EarlierReview(other, found.sha256).digest != found.digest


def test_columns_of_the_input_that_a_review_would_write(reviewed):
    refuse_foreign_columns(reviewed, "x.parquet")
    refuse_foreign_columns(scored(), "x.parquet")
    rows = [{"final_label": "x", "known_to_scan": "y", "given_label": "apple"}]
    with pytest.raises(InputError) as caught:
        refuse_foreign_columns(score_table(rows), "x.parquet")
    assert caught.value.message == (
        "x.parquet has columns of its own that a review would write: final_label, known_to_scan."
    )
    assert caught.value.hint == (
        "Scan again and carry them on under other names: "
        "--rename final_label=input_final_label --rename known_to_scan=input_known_to_scan"
    )
