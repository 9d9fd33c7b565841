"""TURN: the probe, what it believes, and the fine-tuning that goes on from it."""

import hashlib
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import deftclean
from deftclean import AdaptOptions, RunOptions, adapt, predict
from deftclean.adaptation.classifiers import LinearHead
from deftclean.adaptation.turn import believed, classes_left_out, row_losses
from deftclean.core.errors import RunError
from deftclean.core.progress import Silent
from deftclean.settings.adaptation import probe_of, resolve_adaptation
from deftclean.table.scores import write_scores
from tests.support.commands import run_cli
from tests.support.pictures import COLOURS, draw
from tests.support.scored import NAMES, Scored, make_scored, score_table

RUN = RunOptions(workers=0, offline=True)
QUICK = {"epochs": 2, "batch_size": 16}
EVERYTHING = AdaptOptions(everything=True, holdout=0.0)
COUNT, WRONG = 60, range(0, 60, 7)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """Sixty pictures, every seventh with a wrong label; the table flags every tenth, at random."""
    folder = tmp_path_factory.mktemp("turn")
    (folder / "images").mkdir()
    rows, true = [], [NAMES[index % 3] for index in range(COUNT)]
    for index, name in enumerate(true):
        path = folder / "images" / f"{index:03d}.png"
        draw(COLOURS[name], index).save(path)
        rows.append(
            {
                "file_name": path.name,
                "given_label": NAMES[(index + 1) % 3] if index in WRONG else name,
                "clean_prob": 0.5,
                "keep": index % 10 != 0,
                "predicted_label": name,
                "predicted_prob": 0.5,
                "content_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
        )
    table = folder / "clean.parquet"
    write_scores(score_table(rows), table, folder / "images", overwrite=False)
    return Scored(folder / "images", table, true)


def turn(scored: Scored, output: Path, **changes: object) -> deftclean.AdaptResult:
    arguments = {
        "backbone": "nano",
        "method": "turn",
        "settings": QUICK,
        "options": EVERYTHING,
        "run": RUN,
        **changes,
    }
    return adapt(scored.table, output=output, **arguments)


def head(folder: Path) -> dict[str, torch.Tensor]:
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    return {name: value for name, value in tensors.items() if name.startswith("head.")}


# ---------------------------------------------------------------- the parts


def test_the_loss_of_a_row_by_hand():
    """The head is the identity and features are (ln 3, 0): -ln 3/4 and -ln 1/4."""
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(2))
        layer.bias.zero_()
    features = torch.tensor([[math.log(3), 0.0]] * 3)
    batches = [(torch.arange(2), features[:2]), (torch.arange(1), features[2:])]
    found = row_losses(LinearHead(layer), iter(batches), np.array([0, 1, 0]))
    assert found.tolist() == pytest.approx([0.287682, 1.386294, 0.287682], abs=1e-6)


def test_the_low_losses_are_believed():
    losses = np.array([0.1, 2.0, 0.1, 0.1, 2.0, 0.1])
    rows = np.array([3, 5, 8, 9, 11, 20])
    labels = np.array([0, 0, 1, 0, 1, 1])
    assert believed(losses, rows, labels, 0).tolist() == [3, 8, 9, 20]


@given(st.integers(0, 2**40), st.permutations(range(12)))
def test_what_is_believed_does_not_depend_on_the_order(seed, order):
    losses = np.array([0.1, 0.2, 0.15, 0.3, 0.12, 0.11, 0.2, 0.25, 3.0, 2.5, 2.8, 3.2])
    labels, rows, order = np.arange(12) % 3, np.arange(12), np.array(order)
    found = believed(losses[order], rows[order], labels[order], seed)
    assert sorted(found.tolist()) == believed(losses, rows, labels, seed).tolist()
    assert len(found) == 8


def test_equal_losses_are_all_believed():
    """A head that has learned nothing gives ln K to all: there is no second heap."""
    rows = np.arange(6)
    assert np.array_equal(believed(np.full(6, 1.0986), rows, rows % 3, 0), rows)


def test_too_little_to_learn_from_is_refused():
    losses, rows = np.array([0.1, 0.1, 2.0, 2.0]), np.arange(4)
    with pytest.raises(RunError, match="2 rows, all of one class") as error:
        believed(losses, rows, np.array([1, 1, 0, 2]), 0)
    assert "--method fft" in error.value.hint
    with pytest.raises(RunError, match="1 of 4 losses are not finite"):
        believed(np.array([0.1, np.nan, 2.0, 2.0]), rows, np.arange(4), 0)


def test_nothing_believed_is_refused(monkeypatch):
    monkeypatch.setattr("deftclean.adaptation.turn.low_component", lambda losses, _: 0 * losses)
    with pytest.raises(RunError, match="of 4 rows the probe believes no row"):
        believed(np.arange(4.0), np.arange(4), np.arange(4), 0)


def test_classes_without_a_row_are_named():
    names = ("a", "b", "c", "d")
    assert classes_left_out(np.array([0, 2, 2, 3]), np.array([2, 2]), names) == ("a", "d")


def test_settings_of_both_phases():
    config = resolve_adaptation("resnet50", "turn", {"seed": 3, "batch_size": 32, "lr": 0.5})
    assert (config.optimiser, config.lr, config.weight_decay) == ("adamw", 0.5, 1e-5)
    probe, linear = probe_of(config), resolve_adaptation("resnet50", "linear", {})
    assert (probe.loss, probe.seed, probe.batch_size) == ("ce", 3, 32)
    same = ("method", "optimiser", "lr", "momentum", "weight_decay", "epochs", "schedule", "flip")
    assert [getattr(probe, name) for name in same] == [getattr(linear, name) for name in same]
    assert probe.augmentation == linear.augmentation == "none"


# ---------------------------------------------------------------- the whole


def test_the_whole_way_through_the_command_line(scored, tmp_path):
    done = run_cli(
        "adapt", scored.table, "--method", "turn", "--all", "--backbone", "nano", "--batch-size",
        16, "--holdout", 0, "-o", "run", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    right = COUNT - len(WRONG)
    assert f"TURN selects {right} of {COUNT} rows; 6 epochs" in done.stderr
    assert f"trained on     {right} rows, which TURN selected from {COUNT}" in done.stdout
    run = tmp_path / "run"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [(line["selected"], line["selected_from"]) for line in lines] == [(right, COUNT)] * 6
    card = json.loads((run / "deftclean.json").read_text())
    assert (card["data"]["trained_on"], card["data"]["selected_from"]) == (right, COUNT)
    text = (run / "README.md").read_text()
    assert f"| TURN selected from | {COUNT} |\n| trained on | {right} |" in text
    assert "cross-entropy; of its losses" in text
    found = predict(run, scored.images, output=tmp_path / "p.parquet", run=RUN)
    assert found.predicted == COUNT


@pytest.mark.slow
def test_it_learns_from_the_rows_it_believes(scored, tmp_path, monkeypatch):
    """As long as the recipe takes on all it was given: 5 epochs of 60 are 6 of 51."""
    from deftclean.adaptation import trainer as adaptation

    seen = []

    class Watched(adaptation.EpochBatches):
        def __init__(self, rows, *others):
            seen.append(rows.tolist())
            super().__init__(rows, *others)

    monkeypatch.setattr(adaptation, "EpochBatches", Watched)
    result = turn(scored, tmp_path / "run", settings={"batch_size": 16})
    right = [row for row in range(COUNT) if row not in WRONG]
    assert seen == [list(range(COUNT)), right]
    assert (result.cleaned.rows, result.cleaned.offered) == (len(right), COUNT)
    assert result.config.epochs == len(result.cleaned.epochs) == 6


@pytest.mark.slow
def test_the_fine_tuning_begins_with_the_head_that_linear_gives(scored, tmp_path):
    still = {**QUICK, "epochs": 1, "lr": 1e-12}
    turn(scored, tmp_path / "turn", settings=still)
    probe = {"epochs": 10, "batch_size": 16, "loss": "ce"}
    turn(scored, tmp_path / "linear", method="linear", settings=probe)
    begun, probed = head(tmp_path / "turn"), head(tmp_path / "linear")
    assert bool(probed["head.weight"].any())
    for name, value in probed.items():
        torch.testing.assert_close(begun[name], value, rtol=1e-6, atol=1e-7)


class StopAfter(Silent):
    """Ctrl-C when an epoch's line appears."""

    def say(self, text: str) -> None:
        if text.startswith("epoch 2/"):
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"loss": "elr"}, marks=pytest.mark.slow),
        pytest.param({"optimiser": "adamw", "lr": 1e-4}, marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_ends_with_the_same_bytes(settings, scored, tmp_path):
    settings = {"batch_size": 16, "epochs": 3, **settings}
    turn(scored, tmp_path / "whole", settings=settings)
    with pytest.raises(KeyboardInterrupt):
        turn(scored, tmp_path / "run", settings=settings, progress=StopAfter())
    assert not (tmp_path / "run").exists()
    turn(scored, tmp_path / "run", settings=settings, resume=True)
    for file in sorted(path.name for path in (tmp_path / "whole").iterdir()):
        assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


@pytest.mark.slow
def test_same_seed_same_bytes(scored, tmp_path):
    for name, workers in (("a", 0), ("b", 1)):
        turn(scored, tmp_path / name, run=RunOptions(workers=workers, offline=True))
    for file in sorted(path.name for path in (tmp_path / "a").iterdir()):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


@pytest.mark.slow
def test_on_the_kept_rows_and_compared_with_all(scored, tmp_path):
    options = AdaptOptions(compare=True, holdout=0.2, weighted=True)
    result = turn(scored, tmp_path / "run", options=options)
    tested = result.test_rows
    assert result.tested_on == "all rows"
    kept = [row for row in range(COUNT) if row % 10]
    assert len(kept) - tested < result.cleaned.offered < len(kept)
    assert result.uncleaned.offered == COUNT - tested
    assert result.cleaned.rows < result.cleaned.offered
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert {json.loads(line)["selected_from"] for line in lines} == {
        result.cleaned.offered, COUNT - tested,
    }  # fmt: skip
    card = json.loads((tmp_path / "run" / "deftclean.json").read_text())
    assert card["results"]["uncleaned"]["selected_from"] == COUNT - tested


@pytest.mark.slow
def test_a_timm_backbone_with_batch_statistics(scored, tmp_path):
    settings = {"epochs": 1, "batch_size": 4, "image_size": 32}
    result = turn(
        scored, tmp_path / "run", backbone="resnet10t", from_scratch=True, settings=settings
    )
    assert 2 <= result.cleaned.rows <= result.cleaned.offered == COUNT
    assert predict(tmp_path / "run", scored.images, output=tmp_path / "p.parquet", run=RUN)


@pytest.mark.slow
def test_a_class_that_loses_all_its_rows_is_told(tmp_path):
    """Half of the oceans are called apples: the probe takes all of them for apples."""
    oceans = make_scored(tmp_path / "s")
    result = turn(oceans, tmp_path / "run")
    assert result.cleaned.left_out == ("ocean",)
    assert any(text.endswith("1: ocean") for text in result.warnings)
    assert "TURN selected no row" in (tmp_path / "run" / "README.md").read_text()


@pytest.mark.slow
def test_rows_that_the_table_leaves_out_do_not_count_twice(scored, tmp_path, capsys, monkeypatch):
    """`--epochs` grow by what TURN leaves out, not also by what the table does."""
    from deftclean.cli import main as cli

    monkeypatch.setenv("COLUMNS", "300")
    command = ["adapt", str(scored.table), "--method", "turn", "--backbone", "nano"]
    assert cli.run([*command, "--holdout", "0", "--offline", "-o", str(tmp_path / "run")]) == 0
    told = capsys.readouterr().err
    chosen, offered, epochs = map(
        int, re.search(r"TURN selects (\d+) of (\d+) rows; (\d+) epochs", told).groups()
    )
    assert chosen < offered < COUNT
    assert epochs == math.ceil(5 * offered / chosen)


def test_a_probe_that_believes_too_little_ends_the_run(scored, tmp_path, monkeypatch, capsys):
    from deftclean.cli import main as cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr("deftclean.adaptation.turn.low_component", lambda losses, _: 0 * losses)
    command = ["adapt", str(scored.table), "--method", "turn", "--all", "--backbone", "nano"]
    assert cli.run([*command, "--offline"]) == 3
    assert "the probe believes no row" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--all", "--compare"), "exclude each other"),
        (("--all", "--epochs", "0"), "--epochs is 0"),
        (("--all", "--detector", "x"), "--detector goes with --method prompts"),
    ],
)
def test_usage_errors(arguments, message, scored, tmp_path, monkeypatch, capsys):
    from deftclean.cli import main as cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    command = ["adapt", str(scored.table), "--method", "turn", "--backbone", "nano", *arguments]
    assert cli.run(command) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("method", ["fft", "linear"])
def test_other_methods_say_nothing_of_a_selection(method, scored, tmp_path):
    result = turn(scored, tmp_path / "run", method=method, settings={**QUICK, "epochs": 1})
    assert (result.cleaned.offered, result.cleaned.left_out) == (None, ())
    assert "selected" not in json.loads((tmp_path / "run" / "metrics.jsonl").read_text())
    assert "TURN" not in (tmp_path / "run" / "README.md").read_text()
