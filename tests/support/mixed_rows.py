"""A score table with rows of every kind, made by hand, and the same after a review."""

import numpy as np
import pyarrow as pa

from deftclean.table.reviewed import Decisions, apply_decisions
from deftclean.table.scores import ScoreTable
from tests.support.scored import NAMES, score_table

N = 60


def mixed_table() -> ScoreTable:
    """Rows of every kind: unreadable ones, copies that disagree, bad pictures, three splits."""
    draws = np.random.default_rng(0)
    rows = []
    for index in range(N):
        given, fits = NAMES[index % 3], NAMES[index * 7 % 5 % 3]
        row = {
            "split": ("train", "val", "", None)[index % 4],
            "own": f"text {index}",
            "given_label": given,
            "clean_prob": round(float(draws.random()), 2),
            "clean_top_label": fits,
            "predicted_label": fits,
            "predicted_prob": 0.4 if index % 5 == 1 else 0.9,
            "content_sha256": f"{index // 2 if index < 20 else index:064x}",
            "near_duplicate_group": index % 6 if index > 40 else None,
            "quality": "blurred, tiny" if index % 11 == 3 else None,
            "kind": "off_topic" if index % 17 == 4 else None,
            "keep": index % 2 == 0,
        }
        if index % 13 == 6:
            gone = dict.fromkeys(("clean_prob", "clean_top_label", "predicted_label"))
            row |= gone | {"predicted_prob": None, "status": "unreadable", "error": "no picture"}
            row |= {"content_sha256": None, "keep": False}
        rows.append(row)
    made = score_table(rows)
    told = {"near_duplicates": {"least": 0.9}, "quality": {"usual": []}, "off_topic": {"level": 1}}
    return ScoreTable(made.table, {**made.metadata, **told, "evidence": {"witnesses": {}}})


def reviewed(scores: ScoreTable) -> ScoreTable:
    places = np.array([0, 1, 2, 7, 30, 41])
    texts = pa.array(["keep", "relabel", "drop", "keep", "relabel", "drop"])
    labels = pa.array([None, "ocean", None, None, "new class", None], pa.string())
    nobody = pa.nulls(len(places), pa.string())
    return apply_decisions(scores, Decisions(places, texts, labels, nobody, nobody, nobody))
