"""`scan --strategy`, each through the real command line on real files."""

import functools
import json
import re
from typing import get_args

import numpy as np
import pyarrow.parquet as pq
import pytest

import deftclean
from deftclean.core.errors import RunError, UsageError
from deftclean.core.progress import Silent
from deftclean.settings.strategies import TRAINED, Strategy
from deftclean.table.scores import METADATA_KEY
from tests.support.commands import run_cli
from tests.support.pictures import COLOURS, draw

OTHERS = [name for name in get_args(Strategy) if name != "deft"]
NANO = deftclean.RunOptions(model="nano")
SHORT = {"epochs": 4, "warmup": 2, "batch_size": 16}


def scanned(folder, output, strategy, labels=None, noise_ratio=0.1, progress=None, **more):
    trains = strategy in TRAINED or strategy == "evidence"
    given = {**SHORT, "tuner": "none"} if trains else {}
    return deftclean.scan(
        folder, labels, output=output, strategy=strategy, settings={**given, **more}, run=NANO,
        noise_ratio=noise_ratio if strategy == "small-loss" else None, progress=progress,
    )  # fmt: skip


class Told(Silent):
    """Remembers from how many rows each epoch has learned."""

    def __init__(self):
        self.learned_from = []

    def say(self, text):
        if found := re.search(r"learned from ([\d,]+) rows", text):
            self.learned_from.append(int(found[1].replace(",", "")))


def wrong_rows(table):
    """Pictures are numbered; every tenth has a wrong label (see `conftest.folder`)."""
    return np.array(
        [int(name.split("/")[-1][:2]) % 10 == 0 for name in table["file_name"].to_pylist()]
    )


@pytest.fixture(scope="session")
def scans(pictures):
    """One scan by each strategy, made when it is first asked for; for tests that only read it."""

    @functools.cache
    def result(strategy):
        return scanned(pictures, pictures.parent / f"{strategy}.parquet", strategy)

    return result


@pytest.mark.parametrize("strategy", OTHERS)
def test_each_strategy_writes_a_table_whose_rule_gives_its_own_decision(scans, tmp_path, strategy):
    result = scans(strategy)
    table, metadata = result.scores.table, result.scores.metadata
    assert metadata["strategy"] == strategy
    assert metadata["noise_ratio"] == (0.1 if strategy == "small-loss" else None)
    left = strategy == "evidence"
    assert (result.detector is not None) == left
    assert result.output.with_suffix(".detector").exists() == left
    assert not result.output.with_suffix(".unfinished").exists()
    score = table["clean_prob"].to_numpy()
    assert ((score >= 0) & (score <= 1)).all()
    keep, wrong = table["keep"].to_numpy(), wrong_rows(table)
    assert 0 < keep.sum() < len(keep)
    if strategy not in ("label-match", "zero-shot-margin"):
        # Patches of colour are easy to learn, and nothing that a photograph is called.
        assert score[wrong].mean() < score[~wrong].mean() - 0.1
    again = deftclean.select(result.output, output=tmp_path / "again.parquet")
    assert again.scores.table["keep"].equals(table["keep"])


def test_a_strategy_from_the_command_line(folder):
    words = ("--strategy", "gmm", "--model", "nano", "--tuner", "none", "--epochs", "4")
    done = run_cli("scan", "data", "-o", "t.parquet", *words, "--warmup", "2", cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    assert "gmm, 4 epochs (2 warm-up)" in done.stderr
    assert "epoch 4/4: loss" in done.stderr
    assert "Scoring: 60 in" in done.stderr
    table = pq.read_table(folder.parent / "t.parquet")
    assert json.loads(table.schema.metadata[METADATA_KEY])["strategy"] == "gmm"
    gate = run_cli("check", "t.parquet", "--fail-on", "noise_rate>0.99", cwd=folder.parent)
    assert gate.returncode == 0, gate.stderr


@pytest.mark.parametrize("strategy", [name for name in OTHERS if name != "evidence"])
def test_same_seed_same_bytes(scans, folder, tmp_path, strategy):
    """Wherever the pictures lie."""
    first = scans(strategy).output.read_bytes()
    assert scanned(folder, tmp_path / "b.parquet", strategy).output.read_bytes() == first


@pytest.mark.slow
def test_same_seed_same_bytes_with_visual_prompts(folder, tmp_path):
    tuned = {"tuner": "vpt-deep", "epochs": 2, "warmup": 1}
    one, two, other = (
        scanned(folder, tmp_path / f"{name}.parquet", "promix", seed=seed, **tuned)
        for name, seed in (("one", 0), ("two", 0), ("other", 1))
    )
    assert one.output.read_bytes() == two.output.read_bytes()
    assert one.scores.table["clean_prob"] != other.scores.table["clean_prob"]


@pytest.mark.parametrize("strategy", ["gmm", "rolt", "unicon"])
def test_after_warmup_an_epoch_learns_from_what_a_scan_that_ended_before_it_keeps(
    folder, tmp_path, strategy
):
    told, steady = Told(), {"warmup": 2, "schedule": "constant"}
    scanned(folder, tmp_path / "t.parquet", strategy, progress=told, epochs=4, **steady)
    assert told.learned_from[:2] == [60, 60]
    for before in (2, 3):
        output = tmp_path / f"{before}.parquet"
        ended = scanned(folder, output, strategy, epochs=before, **steady)
        kept = int(ended.scores.table["keep"].to_numpy().sum())
        assert 0 < kept < 60
        assert told.learned_from[before] == kept


def test_promix_learns_from_more_rows_with_every_epoch(folder, tmp_path):
    told = Told()
    result = scanned(folder, tmp_path / "t.parquet", "promix", progress=told, epochs=5)
    kept = int(result.scores.table["keep"].to_numpy().sum())
    assert told.learned_from[:2] == [60, 60]
    assert 0 < told.learned_from[2] < told.learned_from[3] < told.learned_from[4] < kept < 60


@pytest.mark.parametrize("strategy", ["gmm", "promix"])
def test_the_learning_rate_falls_from_one_epoch_to_the_next(folder, tmp_path, strategy):
    """So the schedule is of no consequence to the first epoch, and to the others it is."""
    for epochs, same in ((1, True), (3, False)):
        cosine, constant = (
            scanned(
                folder, tmp_path / f"{epochs} {schedule}.parquet", strategy, epochs=epochs,
                warmup=1, schedule=schedule,
            ).scores.table["predicted_prob"]
            for schedule in ("cosine", "constant")
        )  # fmt: skip
        assert cosine.equals(constant) is same


@pytest.mark.parametrize(
    ("epochs", "warmup", "same"), [(1, 1, True), (2, 2, False), (2, 1, False), (1, 0, False)]
)
def test_small_loss_trusts_everything_in_the_first_epoch_of_warmup_alone(
    folder, tmp_path, epochs, warmup, same
):
    """Its noise ratio decides what is kept at the end, and what is learned from then on."""
    few, many = (
        scanned(
            folder, tmp_path / f"{ratio}.parquet", "small-loss", noise_ratio=ratio,
            epochs=epochs, warmup=warmup,
        ).scores.table
        for ratio in (0.1, 0.4)
    )  # fmt: skip
    assert (few["keep"].to_numpy().sum(), many["keep"].to_numpy().sum()) == (54, 36)
    assert few["predicted_prob"].equals(many["predicted_prob"]) is same


def test_longremix_begins_anew_with_rows_that_stayed_clean(folder, tmp_path):
    told = Told()
    result = scanned(folder, tmp_path / "t.parquet", "longremix", progress=told)
    first, second = told.learned_from[:4], told.learned_from[4:]
    assert first[:2] == [60, 60]
    core = second[0]  # also in the second epoch, the last of warm-up
    assert second[1] == core
    assert 0 < core <= min(first[2:])  # it stayed clean: it is among what they learned from
    # Whatever else is selected, the core stays.
    kept = int(result.scores.table["keep"].to_numpy().sum())
    assert core <= min(*second[2:], kept) < 60


@pytest.mark.slow
@pytest.mark.parametrize("tuner", ["vpt-shallow", "fft"])
def test_gmm_trains_a_tuner_too(folder, tmp_path, tuner):
    more = {} if tuner == "vpt-deep" else {"lr": 3e-3, "tower_lr_share": 1.0}
    table = scanned(folder, tmp_path / "t.parquet", "gmm", tuner=tuner, **more).scores.table
    score, wrong = table["clean_prob"].to_numpy(), wrong_rows(table)
    assert score[wrong].mean() < score[~wrong].mean()
    # What a tower learns changes what is predicted; at its start `fft` is the tower as it was.
    more.pop("tower_lr_share", None)
    still = scanned(folder, tmp_path / "still.parquet", "gmm", tuner="none", **more).scores.table
    assert not table["predicted_prob"].equals(still["predicted_prob"])


@pytest.mark.slow
@pytest.mark.parametrize("warmup", [0, 4])
@pytest.mark.parametrize("strategy", TRAINED)
def test_no_warmup_and_nothing_but_warmup(folder, tmp_path, strategy, warmup):
    table = scanned(folder, tmp_path / "t.parquet", strategy, warmup=warmup).scores.table
    assert table["keep"].to_numpy().any()
    assert np.isfinite(table["clean_prob"].to_numpy()).all()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", OTHERS)
def test_a_picture_or_two_of_every_class(folder, tmp_path, strategy):
    """Nothing can be learned from so few; no strategy breaks down, or it says what it needs."""
    few = [path for each in sorted(folder.iterdir()) for path in sorted(each.iterdir())[:2]]
    for path in set(folder.rglob("*.png")) - set(few):
        path.unlink()
    table = scanned(folder, tmp_path / "t.parquet", strategy).scores.table
    assert np.isfinite(table["clean_prob"].to_numpy()).all()
    assert len(table) == 6


def test_a_class_of_two_rows_loses_none_of_them_to_rounding(folder, tmp_path):
    for path in sorted((folder / "ocean").iterdir())[2:]:
        path.unlink()
    table = scanned(folder, tmp_path / "t.parquet", "rolt").scores.table
    ocean = np.array(table["given_label"].to_pylist()) == "ocean"
    assert table["keep"].to_numpy()[ocean].all()


def test_zero_shot_strategies_say_what_zero_shot_says(scans):
    match = scans("label-match").scores.table
    agrees = np.array(match["given_label"].to_pylist()) == np.array(
        match["predicted_label"].to_pylist()
    )
    assert match["keep"].to_numpy().tolist() == agrees.tolist()
    assert match["clean_prob"].equals(match["zero_shot_prob"])
    ahead = scans("zero-shot-margin").scores.table
    assert ahead["keep"].equals(match["keep"])  # no ties among these
    assert ahead["predicted_label"].equals(match["predicted_label"])


def test_small_loss_keeps_its_share(scans):
    table = scans("small-loss").scores.table
    assert table["keep"].to_numpy().sum() == 54  # (1 - 0.1) of 60
    ranks = np.sort(table["clean_prob"].to_numpy())
    assert ranks == pytest.approx(np.arange(1, 61) / 60, abs=1e-6)


@pytest.mark.parametrize("strategy", ["knn", "confident-learning", "gmm", "rolt"])
def test_unlabelled_unreadable_and_doubled_rows(folder, tmp_path, strategy):
    """A row for each thing that can be the matter; the others are scored as without them."""
    lines = ["file_name,label"]
    for picture in sorted(folder.rglob("*.png")):
        lines.append(f"{picture.relative_to(folder).as_posix()},{picture.parent.name}")
    first = lines[1].split(",")[0]
    draw(COLOURS["leaf"], 77).save(folder / "apple" / "unlabelled.png")
    (folder / "apple" / "broken.png").write_bytes(b"no picture")
    lines += ["apple/unlabelled.png,", "apple/broken.png,apple", f"{first},ocean"]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    table = scanned(folder, tmp_path / "t.parquet", strategy, tmp_path / "rows.csv").scores.table
    status, score = table["status"].to_pylist(), table["clean_prob"].to_pylist()
    assert status[-3:] == ["unlabeled", "unreadable", "ok"]
    assert [value is None for value in score[-3:]] == [True, True, False]
    assert table["predicted_label"].to_pylist()[-3] is not None
    assert all(value is not None for value in score[:60])
    if strategy != "rolt":  # by itself, the only ocean among apples may well be near its mean
        assert score[-1] < score[0]


@pytest.mark.slow
def test_a_table_without_a_detector_replaces_one_with(folder, tmp_path):
    table, settings = tmp_path / "t.parquet", {"tuner": "none", "epochs": 2, "warmup": 1}
    deftclean.scan(folder, output=table, settings=settings, run=NANO)
    with pytest.raises(UsageError, match="exists"):
        deftclean.scan(folder, output=table, strategy="knn", run=NANO)
    assert (tmp_path / "t.detector").is_dir()
    deftclean.scan(folder, output=table, strategy="knn", overwrite=True, run=NANO)
    assert table.is_file()
    assert not (tmp_path / "t.detector").exists()


def test_what_does_not_go_together_is_refused_before_anything_is_read(tmp_path):
    words = (
        "--strategy",
        "gmm",
        "--noise-ratio",
        "0.2",
        "--threshold",
        "0.4",
        "--resume",
        "--compile",
    )
    done = run_cli("scan", "nowhere", "-o", "t.parquet", *words, cwd=tmp_path)
    assert done.returncode == 2
    said = " ".join(done.stderr.split())
    assert all(
        each in said for each in ("--noise-ratio goes", "--threshold", "--resume goes", "--compile")
    )
    assert not (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize(
    ("strategy", "ratio", "settings", "said"),
    [
        ("small-loss", None, {}, "needs --noise-ratio"),
        ("small-loss", 1.0, {}, "below 1"),
        ("gmm", None, {"context_length": 4, "rule": "agree"}, "--context-length, --rule"),
        ("knn", None, {"epochs": 4}, "--epochs"),
        ("knn", None, {"tuner": "lora"}, "--tuner"),
        ("x", None, {}, "no recipe 'x'"),
    ],
)
def test_what_a_strategy_does_not_take(tmp_path, strategy, ratio, settings, said):
    with pytest.raises(UsageError, match=said):
        deftclean.scan(tmp_path, strategy=strategy, noise_ratio=ratio, settings=settings)


def test_that_nothing_is_tuned_may_be_said(folder, tmp_path):
    result = scanned(folder, tmp_path / "t.parquet", "knn", tuner="none")
    assert result.scores.metadata["config"]["tuner"] == "none"


@pytest.mark.parametrize("strategy", TRAINED)
def test_weights_that_the_last_step_destroyed_are_an_error_and_no_table(folder, tmp_path, strategy):
    with pytest.raises(RunError, match="not finite: training has diverged"):
        scanned(
            folder, tmp_path / "t.parquet", strategy, lr=1e38, epochs=1, warmup=1, batch_size=64
        )
    assert not (tmp_path / "t.parquet").exists()


def test_cleanlab_that_is_not_there_is_named_before_any_work(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(UsageError, match="needs cleanlab"):
        scanned(folder, tmp_path / "t.parquet", "confident-learning")


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_labels_that_are_the_same_words_are_refused_by_all(pictures, tmp_path, strategy):
    labels = tmp_path / "labels.csv"
    names = ["cat", "cat ", "Cat", "caf\u00e9", "cafe\u0301", "dog"]
    found = enumerate(sorted(pictures.rglob("*.png")))
    rows = [f"{path.relative_to(pictures)},{names[at % 6]}\n" for at, path in found]
    labels.write_text("file_name,label\n" + "".join(rows), encoding="utf-8")
    with pytest.raises(UsageError, match=r"'Cat', 'cat', 'cat '; 'caf.*' are the same words"):
        scanned(pictures, tmp_path / "t.parquet", strategy, labels)
    assert not (tmp_path / "t.parquet").exists()
