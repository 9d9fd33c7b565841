from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deftclean.table.copies import CopyCounts
from deftclean.table.kinds import KindCounts
from deftclean.table.scores import SCORE_COLUMNS, SCORE_SCHEMA, ScoreTable
from deftclean.table.summary import ClassNoise, Confusion, Summary, Suspect, summarise

# given, predicted, clean_prob, keep, status
Row = tuple[str | None, str | None, float | None, bool, str]


def scores(rows: list[Row]) -> ScoreTable:
    n = len(rows)
    columns: dict[str, Any] = {name: [None] * n for name in SCORE_COLUMNS}
    columns |= {
        "row": list(range(n)),
        "file_name": [f"{i}.png" for i in range(n)],
        "given_label": [r[0] for r in rows],
        "suggested_label": [r[1] for r in rows],
        "clean_prob": [r[2] for r in rows],
        "keep": [r[3] for r in rows],
        "status": [r[4] for r in rows],
    }
    return ScoreTable(pa.table(columns, schema=SCORE_SCHEMA), {})


SMALL: list[Row] = [
    ("cat", "cat", 0.875, True, "ok"),
    ("cat", "dog", 0.25, False, "ok"),
    ("cat", "dog", 0.125, False, "ok"),
    ("cat", "cow", 0.25, False, "ok"),
    ("dog", "dog", 0.75, True, "ok"),
    ("dog", "cat", 0.375, False, "ok"),
    ("cow", "cow", 0.5, False, "ok"),  # flagged, yet nothing else is suggested
    ("cow", None, None, False, "missing"),
    (None, "cat", None, False, "unlabeled"),
    ("dog", None, None, False, "unreadable"),
    ("dog", None, None, False, "missing"),
    ("eel", "eel", 1.0, True, "ok"),
]


def test_by_hand() -> None:
    found = summarise(scores(SMALL))
    assert (found.rows, found.scored, found.kept, found.flagged) == (12, 8, 3, 5)
    assert found.noise_rate == 5 / 8
    assert found.not_scored == {"missing": 2, "unlabeled": 1, "unreadable": 1}
    assert found.classes == (
        ClassNoise("cat", 3, 4),
        ClassNoise("cow", 1, 1),
        ClassNoise("dog", 1, 2),
    )
    assert found.confusions == (
        Confusion("cat", "dog", 2),
        Confusion("cat", "cow", 1),
        Confusion("dog", "cat", 1),
    )
    assert found.suspects == (
        Suspect(2, "2.png", "cat", "dog", 0.125),
        Suspect(1, "1.png", "cat", "dog", 0.25),
        Suspect(3, "3.png", "cat", "cow", 0.25),
        Suspect(5, "5.png", "dog", "cat", 0.375),
        Suspect(6, "6.png", "cow", "cow", 0.5),
    )


def test_at_most_ten_of_each() -> None:
    rows: list[Row] = [
        (f"class {i:02d}", f"class {i + 1:02d}", i / 32, False, "ok") for i in range(12)
    ]
    found = summarise(scores([*rows, rows[11]]))
    assert found.flagged == 13
    assert len(found.classes) == len(found.confusions) == len(found.suspects) == 10
    assert found.classes[0] == ClassNoise("class 11", 2, 2)
    assert found.classes[1] == ClassNoise("class 00", 1, 1)
    assert [suspect.row for suspect in found.suspects] == list(range(10))


def test_nothing_flagged() -> None:
    found = summarise(scores([("cat", "cat", 0.75, True, "ok"), ("dog", "dog", 0.75, True, "ok")]))
    assert (found.flagged, found.kept, found.noise_rate) == (0, 2, 0.0)
    assert found.classes == found.confusions == found.suspects == ()
    assert found.not_scored == {}


@pytest.mark.parametrize("status", ["missing", "unlabeled"])
def test_nothing_scored(status: str) -> None:
    found = summarise(scores([(None, None, None, False, status)] * 3))
    assert (found.rows, found.scored, found.kept, found.flagged) == (3, 0, 0, 0)
    assert found.noise_rate is None
    assert found.not_scored == {status: 3}
    assert found.classes == found.confusions == found.suspects == ()


def test_labels_that_look_like_nothing_keep_their_names() -> None:
    found = summarise(scores([("NA", "nan", 0.25, False, "ok"), ("None", "NA", 0.5, False, "ok")]))
    assert found.classes == (ClassNoise("NA", 1, 1), ClassNoise("None", 1, 1))
    assert found.confusions == (Confusion("NA", "nan", 1), Confusion("None", "NA", 1))


def plain(rows: list[Row]) -> Summary:
    """The same, a row at a time."""
    scored = [(i, *row) for i, row in enumerate(rows) if row[2] is not None]
    flagged = [row for row in scored if not row[4]]
    of_class = Counter(str(row[1]) for row in scored)
    suspected = Counter(str(row[1]) for row in flagged)
    pairs = Counter((str(row[1]), str(row[2])) for row in flagged if row[1] != row[2])
    states = Counter(row[4] for row in rows if row[4] != "ok")
    worst = sorted(flagged, key=lambda row: (row[3], row[0]))
    return Summary(
        rows=len(rows),
        scored=len(scored),
        kept=sum(row[3] for row in rows),
        flagged=len(flagged),
        noise_rate=len(flagged) / len(scored) if scored else None,
        estimate=None,
        not_scored=dict(sorted(states.items())),
        classes=tuple(
            ClassNoise(name, count, of_class[name])
            for name, count in sorted(suspected.items(), key=lambda item: (-item[1], item[0]))[:10]
        ),
        confusions=tuple(
            Confusion(*pair, count)
            for pair, count in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:10]
        ),
        suspects=tuple(
            Suspect(i, f"{i}.png", str(given), str(said), float(prob or 0))
            for i, given, said, prob, _, _ in worst[:10]
        ),
        copies=CopyCounts(*(2 * [None if rows else 0]), None, None, None),  # without hashes
        kinds=KindCounts(None, None),
    )


names = st.sampled_from(["cat", "Cat", "dog", "", "NA", "é", "z", "\U0001f600", "\uffff"])
probs = st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0])
scored_rows = st.tuples(names, names, probs, st.booleans(), st.just("ok"))
other_rows = st.tuples(
    st.none() | names,
    st.none() | names,
    st.none(),
    st.just(False),
    st.sampled_from(["ok", "missing"]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(scored_rows | other_rows, max_size=60), st.integers(1, 7))
def test_all_rows_at_once_as_one_by_one(rows: list[Row], chunk: int) -> None:
    table = scores(rows).table
    batches = pa.Table.from_batches(table.to_batches(max_chunksize=chunk), SCORE_SCHEMA)
    assert summarise(ScoreTable(batches, {})) == plain(rows)


def test_a_score_that_is_not_a_number_is_none() -> None:
    found = summarise(scores([("cat", "dog", float("nan"), False, "ok")]))
    assert (found.scored, found.flagged, found.noise_rate) == (0, 0, None)
