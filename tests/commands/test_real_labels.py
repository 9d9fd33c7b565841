"""Real photos and human label errors, where the research data lie beside the checkout."""

import csv
import json

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
        options = ("--recipe", "deft", "--noise", "synthetic", "--seed", str(seed), "--overwrite")
        table, right = scan(shared_data, tmp_path, *options)
        prob = table["clean_prob"].to_numpy()
        threshold = selection_metrics(right, keep_flags(table, "threshold", 0.5), prob)
        agree = selection_metrics(right, keep_flags(table, "agree", 0.5), prob)
        figures.append((threshold.auroc, threshold.wrong_f1, agree.wrong_f1))
    auroc_mean, f1_threshold, f1_agree = np.mean(figures, axis=0)
    assert auroc_mean == pytest.approx(0.805, abs=0.015)
    assert f1_threshold == pytest.approx(0.663, abs=0.02)
    assert f1_agree == pytest.approx(0.728, abs=0.02)


FAST = ("--model", "nano", "--tuner", "none", "-q")


def facts_of(path):
    return json.loads(pq.read_schema(path).metadata[b"deftclean"])["evidence"]


@pytest.mark.slow
def test_all_the_evidence_on_the_worst_human_labels(shared_data, tmp_path):
    """Demanded: AUROC 0.900, F1 of the wrong labels 0.74, and the truth in the interval."""
    table, right = scan(shared_data, tmp_path, "--tuner", "none")
    found = selection_metrics(
        right, table["keep"].to_numpy(zero_copy_only=False), table["clean_prob"].to_numpy()
    )
    assert found.auroc >= 0.900
    assert found.wrong_f1 >= 0.74
    rate = facts_of(tmp_path / "clean.parquet")["estimated_noise"]
    assert rate["low"] <= 1 - right.mean() <= rate["high"]


@pytest.mark.slow
def test_all_the_evidence_on_signs_that_the_model_does_not_know(shared_data, tmp_path):
    """Demanded: AUROC 0.90 and F1 0.72, where DEFT as published is a coin toss."""
    data = shared_data / "signs"
    done = run_cli("scan", data / "images", data / "labels.csv", *FAST, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "clean.parquet")
    with (data / "truth.csv").open(newline="") as file:
        truth = {row["file_name"]: row["true_label"] for row in csv.DictReader(file)}
    true = np.array([truth[name] for name in table["file_name"].to_pylist()])
    right = np.array(table["given_label"].to_pylist()) == true
    found = selection_metrics(
        right, table["keep"].to_numpy(zero_copy_only=False), table["clean_prob"].to_numpy()
    )
    assert found.auroc >= 0.90
    assert found.wrong_f1 >= 0.72
    assert auroc(right, table["deft_prob"].to_numpy()) < 0.6


@pytest.mark.slow
def test_right_labels_are_left_alone(shared_data, tmp_path):
    """Of 100 classes of photos whose labels are right at most 2 % are flagged at 0.5."""
    options = (*FAST, "--threshold", "0.5", "--noise", "synthetic")
    done = run_cli("scan", shared_data / "cifar100", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    keep = pq.read_table(tmp_path / "clean.parquet")["keep"].to_numpy(zero_copy_only=False)
    assert (~keep).mean() <= 0.02


@pytest.mark.slow
def test_shuffled_labels_are_not_judged(shared_data, tmp_path):
    """Labels that have nothing to do with the pictures: no rate is made up, and it is said."""
    data = shared_data / "signs"
    with (data / "labels.csv").open(newline="") as file:
        header, *rows = list(csv.reader(file))
    labels = np.random.default_rng(0).permutation([row[1] for row in rows])
    pairs = zip(rows, labels, strict=True)
    lines = [",".join(header[:2]), *(f"{row[0]},{label}" for row, label in pairs)]
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    done = run_cli("scan", data / "images", "labels.csv", *FAST, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no witness can tell these labels from random ones" in done.stderr
    facts = facts_of(tmp_path / "clean.parquet")
    assert facts["informed"] < 0.5
    assert facts["estimated_noise"]["low"] < 0.2
    assert facts["estimated_noise"]["high"] > 0.8
    keep = pq.read_table(tmp_path / "clean.parquet")["keep"].to_numpy(zero_copy_only=False)
    assert keep.mean() > 0.98


@pytest.mark.slow
def test_a_thousand_classes_with_three_rows_each(shared_data, tmp_path):
    """Names that mean nothing, and hardly a neighbour: finite, and soon done."""
    pictures = sorted((shared_data / "cifar10n" / "images").iterdir())[:3000]
    lines = ["file_name,label", *(f"{p.name},c{i % 1000:03d}x" for i, p in enumerate(pictures))]
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    options = (*FAST, "--epochs", "2", "--warmup", "1")
    done = run_cli("scan", pictures[0].parent, "labels.csv", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    prob = pq.read_table(tmp_path / "clean.parquet")["clean_prob"].to_numpy()
    assert np.isfinite(prob).all()
    rate = facts_of(tmp_path / "clean.parquet")["estimated_noise"]
    assert 0 <= rate["low"] <= rate["estimate"] <= rate["high"] <= 1
