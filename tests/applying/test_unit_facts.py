"""What is said of all rows follows from what each unit says of its own."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from deftclean.applying.unit_facts import UnitDone, UnitFacts, total
from deftclean.detection.warnings import _zero_shot_agreement
from deftclean.evidence.reliability import Reliability
from deftclean.features.scoring import ZeroShotScores
from deftclean.images.usable_rows import UsableRows
from deftclean.table.emptied import emptied_classes
from deftclean.table.scores import noise_rate

NAMES = ("ant", "bee", "cat")


def facts_of(draws: np.ndarray) -> tuple[UnitFacts, pa.Table, ZeroShotScores, UsableRows]:
    """Of rows drawn as (label or 3 for none, said, tenths foretold, kept)."""
    label, said, foretold, kept = draws.T.astype(np.int64)
    count, labelled = len(draws), label < 3
    table = pa.table(
        {
            "given_label": pa.array([NAMES[at] if at < 3 else None for at in label], pa.string()),
            "clean_prob": pa.array([0.5 if has else None for has in labelled], pa.float32()),
            "keep": pa.array((kept > 0) & labelled),
            "status": pa.array(["ok" if has else "unlabeled" for has in labelled]),
        }
    )
    every = np.arange(count)
    numbers = np.zeros(count, np.float32)
    zero_shot = ZeroShotScores(every, numbers, numbers, said, numbers, numbers, numbers)
    rows = UsableRows(
        np.where(labelled, label, 0),
        labelled,
        every,
        every[labelled],
        None,
        every,  # type: ignore[arg-type]
    )
    likely = Reliability.of(foretold[labelled] / 10 + 0.03, kept[labelled] > 0)
    return UnitFacts.of(table, zero_shot, likely, rows, NAMES), table, zero_shot, rows


ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 9), st.integers(0, 1)),
    min_size=1,
    max_size=40,
)


@given(ROWS, st.data())
def test_sums_of_units_are_those_of_all_rows(
    rows: list[tuple[int, ...]], data: st.DataObject
) -> None:
    draws = np.array(rows)
    cut = data.draw(st.integers(0, len(draws)))
    whole, table, zero_shot, usable = facts_of(draws)
    parts = [facts_of(each)[0] for each in (draws[:cut], draws[cut:]) if len(each)]
    made = total(parts)
    assert made.status == whole.status
    assert made.noise_rate == noise_rate(table)
    assert made.emptied == emptied_classes(table)
    agree, kappa = _zero_shot_agreement(zero_shot, usable)
    if usable.labelled.any():
        assert made.agreement is not None
        assert abs(made.agreement - agree) < 1e-12
        assert abs(made.kappa - kappa) < 1e-12
    else:
        assert made.agreement is None
    assert made.reliability == whole.reliability


def test_what_is_written_comes_back_and_damage_does_not() -> None:
    facts = facts_of(np.array([(0, 1, 3, 1), (3, 0, 2, 0)]))[0]
    done = UnitDone("plan", 2, 100, "ff", facts)
    assert UnitDone.read(done.text) == done
    for damaged in (
        None,
        b"",
        done.text[:-2],
        b"[]",
        done.text.replace(b'"rows": 2', b'"rows": "2"'),
    ):
        assert UnitDone.read(damaged) is None
