import numpy as np
import pytest

from benchmarks.arena_figures import (
    Run,
    add_run,
    best_wrong_f1,
    calibration_error,
    failed,
    read_runs,
)
from benchmarks.arena_report import page


def run(recipe, cell="signs-0.3", auroc=0.9, low=0.25, high=0.35, seed=0, **other):
    figures = {"rows": 1500, "f1": 0.7, "best_f1": 0.75, "wrong": 0.3, "estimate": 0.32}
    figures |= {"ece": 0.02, "seconds": 6.0} | other
    return Run(cell, "none", recipe, seed, auroc=auroc, low=low, high=high, **figures)


def test_the_best_threshold_of_three_labels():
    right = np.array([False, True, False])
    assert best_wrong_f1(right, np.array([0.1, 0.2, 0.3])) == pytest.approx(0.8)
    # Right and wrong at one score are flagged together or not at all: 2·1/(2 + 2).
    right = np.array([False, True, True, False])
    assert best_wrong_f1(right, np.array([0.2, 0.2, 0.5, 0.9])) == pytest.approx(2 / 3)


def test_calibration_counts_what_a_bin_says_too_much():
    prob = np.array([0.9, 0.9, 0.9, 0.9])
    right = np.array([True, True, True, False])
    assert calibration_error(right, prob) == pytest.approx(0.15)
    assert calibration_error(np.array([True, False]), np.array([1.0, 0.0])) == 0


def test_runs_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "arena.csv"
    runs = [run("evidence"), run("deft", low=None, high=None)]
    for each in [*runs, failed("signs-0.1", "none", "evidence", 0)]:
        add_run(path, each)
    assert read_runs(path)[:2] == runs
    assert read_runs(path)[2].collapsed
    assert not read_runs(tmp_path / "none.csv")


def test_a_verdict_says_by_how_much_a_demand_is_missed():
    text = page([run("evidence", auroc=0.91, f1=0.7), run("knn", auroc=0.93)])
    assert "best opponent's - 0.005: **missed** in 1 of 1: signs-0.3 (knn) by 0.015" in text
    assert "signs-0.3: F1 at least 0.72: **missed** in 1 of 1: signs-0.3 by 0.020" in text
    assert "signs-0.3: AUROC at least 0.90: **met** in 1; least margin 0.010, signs-0.3" in text
    assert "ECE at most 0.10, human errors: not measured" in text


def test_a_run_that_collapsed_is_a_demand_missed():
    text = page([run("evidence"), failed("signs-0.3", "none", "evidence", 1)])
    assert "no run ends in a collapse: **missed** in 1 of 1" in text
    assert "| signs-0.3 | 2, 1 collapsed | 0.900 |" in text
