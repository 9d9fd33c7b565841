"""Two tables, row by row, against a slow and plain reading of what the documentation says."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deftclean.table.comparison import compare
from deftclean.table.problems import problems_of
from tests.support.scored import score_table


def compared(new, old):
    tables = [score_table(rows) for rows in (new, old)]
    problems = [problems_of(table, "x.parquet") for table in tables]
    return compare(tables[0], problems[0], tables[1], problems[1])


def row(name, label="apple", kind="fine", sha=None):
    """A row of one kind."""
    scored = kind in ("fine", "flagged")
    return {
        "file_name": name,
        "given_label": label,
        "clean_prob": (0.9 if kind == "fine" else 0.1) if scored else None,
        "keep": kind == "fine",
        "status": "ok" if scored else kind,
        "content_sha256": sha,
    }


NAMES = ("a.png", "b.png", "c.png", "d.png")
LABELS = ("apple", "leaf", None)


@st.composite
def tables(draw):
    """Rows of which several may name one file; a file has one content, and so has a label."""
    kinds = st.sampled_from(["fine", "flagged", "flagged", "unlabeled"])
    content = draw(st.lists(st.sampled_from(["11", "22", "33", None]), min_size=6, max_size=6))
    kind = {(sha, label): draw(kinds) for sha in ("11", "22", "33") for label in LABELS}
    named = dict(zip((*NAMES, "t#0", "t#1"), content, strict=True))
    rows = []
    for name, label in draw(
        st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(LABELS)), max_size=7)
    ):
        rows.append((name, label))
    rows += [(name, draw(st.sampled_from(LABELS))) for name in ("t#0", "t#1")]
    return [
        row(name, label, kind.get((named[name], label), "missing"), named[name])
        for name, label in rows
    ]


ROWS = tables()


@settings(max_examples=120, deadline=None)
@given(rows=ROWS, inserted=ROWS, order=st.randoms(use_true_random=False))
def test_shuffled_rows_with_others_inserted_give_no_new_problem(rows, inserted, order):
    """But for the rows that were inserted; they are told apart by names of their own."""
    more = [
        {**r, "file_name": f"new{i}.png", "content_sha256": None} for i, r in enumerate(inserted)
    ]
    new = [*rows, *more]
    order.shuffle(new)
    found = compared(new, rows)
    bad = Counter(r["status"] != "ok" or not r["keep"] for r in more)[True]
    assert len(found.rows("new_rows")) == len(more)
    assert all(new[i]["file_name"].startswith("new") for i in found.rows("new_rows"))
    assert len(found.rows("new_problems")) == bad
    for change in ("gone_rows", "cleared", "relabelled", "moved"):
        assert not len(found.rows(change))


@settings(max_examples=120, deadline=None)
@given(new=ROWS, old=ROWS)
def test_what_holds_for_any_two_tables(new, old):
    found = compared(new, old)
    matched = found.partner >= 0
    partners = found.partner[matched]
    assert len(set(partners.tolist())) == len(partners)
    assert len(new) - len(found.rows("new_rows")) == len(old) - len(found.rows("gone_rows"))
    for here, there in zip(np.flatnonzero(matched), partners, strict=True):
        a, b = new[here], old[there]
        nowhere = all("#" in r["file_name"] and r["content_sha256"] is None for r in (a, b))
        assert (
            a["file_name"] == b["file_name"]
            or (a["content_sha256"] == b["content_sha256"] is not None)
            or (nowhere and a["given_label"] == b["given_label"])
        )
    # As many rows of a name are the same as both tables have.
    names = [
        Counter(r["file_name"] for r in rows if "#" not in r["file_name"]) for rows in (new, old)
    ]
    by_name = sum(
        new[i]["file_name"] == old[found.partner[i]]["file_name"]
        for i in np.flatnonzero(matched)
        if "#" not in new[i]["file_name"]
    )
    assert by_name == (names[0] & names[1]).total()
    newly = set(found.rows("newly_flagged")) | set(found.rows("newly_bad"))
    assert newly == set(found.rows("new_problems"))


@settings(max_examples=60, deadline=None)
@given(new=ROWS, old=ROWS, order=st.randoms(use_true_random=False))
def test_the_order_of_either_table_says_nothing(new, old, order):
    """Figures are the same; which of several equal rows it is, is not."""
    before = compared(new, old)
    order.shuffle(new)
    order.shuffle(old)
    after = compared(new, old)
    for change in ("new_problems", "gone_rows", "new_rows"):
        assert len(before.rows(change)) == len(after.rows(change)), change


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (row("a.png"), row("a.png", kind="flagged"), {"new_problems", "newly_flagged"}),
        (row("a.png", kind="flagged"), row("a.png"), {"cleared"}),
        (row("a.png", kind="flagged"), row("a.png", kind="flagged"), set()),
        (row("a.png"), row("a.png", "leaf"), {"relabelled"}),
        (
            row("a.png", kind="flagged"),
            row("a.png", "leaf", "flagged"),
            {"relabelled", "new_problems", "newly_flagged"},
        ),
        (row("a.png", kind="missing"), row("a.png", "leaf", "missing"), {"relabelled"}),
        (row("a.png"), row("a.png", kind="missing"), {"new_problems", "newly_bad"}),
        (
            row("a.png", kind="missing"),
            row("a.png", kind="unreadable"),
            {"new_problems", "newly_bad"},
        ),
        (row("a.png", sha="1"), row("b/a.png", sha="1"), {"moved"}),
        (row("a.png", kind="flagged", sha="1"), row("b.png", kind="flagged", sha="1"), {"moved"}),
        (row("a.png", sha="1"), row("a.png", sha="2"), set()),
        (row("a.png"), row("b.png"), {"new_rows", "gone_rows"}),
        (row("t#0", sha="1"), row("t#7", sha="1"), set()),
        (row("t#0", sha="1"), row("t#0", sha="2"), {"new_rows", "gone_rows"}),
        (row("t#0", kind="missing"), row("t#7", kind="missing"), set()),
    ],
)
def test_one_row(old, new, changes):
    found = compared([new], [old])
    names = (*found.of_rows, "gone_rows")
    assert {name for name in names if len(found.rows(name))} == changes


def test_a_name_comes_before_content_and_duplicates_are_counted():
    old = [row("a.png", sha="1"), row("a.png", sha="1", kind="flagged"), row("x.png", sha="2")]
    new = [row("y.png", sha="2"), row("a.png", sha="2", kind="flagged"), row("a.png", sha="1")]
    new.append(row("a.png", sha="1", kind="flagged"))
    found = compared(new, old)
    assert found.partner.tolist() == [2, 1, 0, -1]
    assert found.rows("new_rows").tolist() == found.rows("new_problems").tolist() == [3]
    assert found.rows("moved").tolist() == [0]


def test_tables_that_were_judged_otherwise_are_told():
    tables = [score_table([row("a.png")]) for _ in range(2)]
    problems = [problems_of(table, "x") for table in tables]
    assert compare(tables[0], problems[0], tables[1], problems[1]).notes == ()
    tables[1].metadata["threshold"] = 0.7
    (note,) = compare(tables[0], problems[0], tables[1], problems[1]).notes
    assert note.endswith("threshold was 0.7, is 0.5")
