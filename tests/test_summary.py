from typing import Any

import pyarrow as pa
import pytest

from deftclean.scores import SCORE_COLUMNS, SCORE_SCHEMA, ScoreTable
from deftclean.summary import ClassNoise, Confusion, Suspect, summarise

# given, predicted, clean_prob, keep, status
Row = tuple[str | None, str | None, float | None, bool, str]


def scores(rows: list[Row]) -> ScoreTable:
    n = len(rows)
    columns: dict[str, Any] = {name: [None] * n for name in SCORE_COLUMNS}
    columns |= {
        "row": list(range(n)),
        "file_name": [f"{i}.png" for i in range(n)],
        "given_label": [r[0] for r in rows],
        "predicted_label": [r[1] for r in rows],
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
