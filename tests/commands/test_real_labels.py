"""Real human label errors, where the research data lie beside the checkout."""

import csv

import numpy as np
import pyarrow.parquet as pq
import pytest

from deftclean.core.metrics import auroc, selection_metrics
from deftclean.table.scores import keep_flags
from tests.support.commands import run_cli


def scan(shared_data, tmp_path, *options):
    data = shared_data / "cifar10n"
    done = run_cli(
        "scan", data / "images", data / "labels.csv", "--model", "nano", "-q", *options,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "clean.parquet")
    with (data / "truth.csv").open(newline="") as file:
        truth = {row["file_name"]: row["true_label"] for row in csv.DictReader(file)}
    true = np.array([truth[name] for name in table["file_name"].to_pylist()])
    return table, np.array(table["given_label"].to_pylist()) == true


@pytest.mark.slow
def test_zero_shot_ranks_as_well_as_measured_elsewhere(shared_data, tmp_path):
    """An independent measurement gave AUROC 0.902 for the log-probability of the given label."""
    options = ("--noise", "synthetic", "--tuner", "none", "--epochs", "2", "--warmup", "1")
    table, right = scan(shared_data, tmp_path, *options)
    assert right.mean() == pytest.approx(0.6, abs=0.01)
    assert auroc(right, table["zero_shot_prob"].to_numpy()) == pytest.approx(0.902, abs=0.002)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_published_method_reaches_the_independent_measurement(shared_data, tmp_path):
    """Preset synthetic, mean of seeds 0 and 1 elsewhere: AUROC 0.805, F1 of wrong 66.3 and 72.8.

    The mean of three seeds: by itself one may lie further away.
    """
    figures = []
    for seed in range(3):
        options = ("--noise", "synthetic", "--seed", str(seed), "--overwrite")
        table, right = scan(shared_data, tmp_path, *options)
        prob = table["clean_prob"].to_numpy()
        threshold = selection_metrics(right, keep_flags(table, "threshold", 0.5), prob)
        agree = selection_metrics(right, keep_flags(table, "agree", 0.5), prob)
        figures.append((threshold.auroc, threshold.wrong_f1, agree.wrong_f1))
    auroc_mean, f1_threshold, f1_agree = np.mean(figures, axis=0)
    assert auroc_mean == pytest.approx(0.805, abs=0.015)
    assert f1_threshold == pytest.approx(0.663, abs=0.02)
    assert f1_agree == pytest.approx(0.728, abs=0.02)
