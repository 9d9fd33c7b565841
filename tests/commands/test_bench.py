"""`bench`, whole: what is run, kept, gone on with, recorded when it fails, and shown."""

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

import deftclean
from deftclean import RunOptions, bench
from deftclean.cli import main as cli
from deftclean.core.errors import CollapseError, InputError, RunError, UsageError
from deftclean.core.outputs import checkpoint_folder
from deftclean.experiments import run as cell_runs
from deftclean.experiments.results import MEASUREMENTS, Results
from deftclean.models.weights import NANO
from deftclean.table.scores import METADATA_KEY
from tests.support.commands import run_cli, stopped
from tests.support.pictures import COLOURS, draw

RUN = RunOptions(workers=0, offline=True, device="cpu")

GRID = """
[data.colours]
images = "data"
labels = "labels.csv"
truth = "truth.csv"
test = "test"

[[grid]]
name = "detection"
data = ["colours"]
noise = ["given", {kind = "symmetric", ratio = 0.5}]
strategies = ["deft"]
seeds = [0, 1]
preset = "synthetic"
model = "nano"
settings = {tuner = "none", epochs = 2, warmup = 2, lr = 0.03, batch_size = 16}

[[grid]]
name = "accuracy"
data = ["colours"]
strategies = ["deft", "all-rows"]
seeds = [0]
preset = "synthetic"
model = "nano"
settings = {tuner = "none", epochs = 2, warmup = 2, lr = 0.03, batch_size = 16}
adapt = {backbone = "nano", method = "linear", settings = {epochs = 1}}
"""


@pytest.fixture
def grid(folder, labels) -> Path:
    """60 pictures in three colours, six of them with a wrong label; and nine to test on."""
    lines = labels.read_text().splitlines()[1:]
    names = [line.split(",")[0] for line in lines]
    true = [list(COLOURS)[int(Path(name).stem) % 3] for name in names]
    rows = [f"{name},{label}" for name, label in zip(names, true, strict=True)]
    (folder.parent / "truth.csv").write_text("\n".join(["file_name,true_label", *rows]) + "\n")
    for index in range(9):
        name = list(COLOURS)[index % 3]
        path = folder.parent / "test" / name / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(COLOURS[name], 500 + index).save(path)
    path = folder.parent / "grid.toml"
    path.write_text(GRID)
    return path


def rows_of(folder: Path) -> list[dict]:
    return pq.read_table(folder / "results.parquet").to_pylist()


def without_measurements(rows: list[dict]) -> list[dict]:
    return [{k: v for k, v in row.items() if k not in MEASUREMENTS} for row in rows]


def test_the_whole_way_through_the_command_line(grid, tmp_path):
    done = run_cli("bench", grid, "-o", "out", "--workers", 0, "--offline", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "cells          6" in done.stdout
    assert "6 run now, 0 were there" in done.stdout
    rows = rows_of(tmp_path / "out")
    assert [(row["grid"], row["column"], row["method"], row["seed"]) for row in rows] == [
        ("detection", "colours", "deft", 0),
        ("detection", "colours", "deft", 1),
        ("detection", "colours, symmetric 0.5", "deft", 0),
        ("detection", "colours, symmetric 0.5", "deft", 1),
        ("accuracy", "colours", "deft, nano linear epochs 1", 0),
        ("accuracy", "colours", "all-rows, nano linear epochs 1", 0),
    ]
    assert all(row["error"] is None and row["seconds"] > 0 for row in rows)
    detection, (deft, every) = rows[:4], rows[4:]
    assert [row["noise_rate"] for row in detection[:2]] == [0.1, 0.1]
    assert all(0.1 < row["noise_rate"] < 0.6 for row in detection[2:])
    assert all(0 <= row["auroc"] <= 1 and row["judged"] == 60 for row in detection)
    assert all(row["accuracy_last"] is None for row in detection)
    # One scan serves the two cells that need the same one.
    assert deft["scan_seconds"] == detection[0]["scan_seconds"]
    assert deft["seconds"] == pytest.approx(deft["scan_seconds"] + deft["adapt_seconds"])
    assert len(list((tmp_path / "out" / "scans").glob("*.detector"))) == 4
    assert (every["strategy"], every["precision"], every["trained_on"]) == (None, None, 60)
    assert deft["tested_on"] == every["tested_on"] == 9
    assert all(0 <= row["accuracy_last"] <= row["accuracy_best"] <= 1 for row in (deft, every))
    assert all(len(row["weights_sha256"]) == 64 for row in detection)
    assert all(len(row["backbone_sha256"]) == 64 for row in (deft, every))
    if Path("/proc/self/clear_refs").exists():
        assert all(50 < row["peak_memory_mb"] < 20_000 for row in rows)
    page = (tmp_path / "out" / "tables.md").read_text()
    assert "| method | colours | colours, symmetric 0.5 |" in page
    assert " ± " in page
    assert "<!DOCTYPE html>" in (tmp_path / "out" / "tables.html").read_text()

    again = run_cli("bench", grid, "-o", "out", "--workers", 0, "-q", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "0 run now, 6 were there" in again.stdout
    assert rows_of(tmp_path / "out") == rows


class Interrupted:
    """Runs cells until one is interrupted, as by Ctrl-C."""

    def __init__(self, patch: pytest.MonkeyPatch, at: int, error: type[BaseException]) -> None:
        self.scans = 0
        real = cell_runs.scan

        def scan(*arguments, **options):
            self.scans += 1
            if self.scans == at:
                raise error
            return real(*arguments, **options)

        patch.setattr(cell_runs, "scan", scan)


@pytest.mark.slow
def test_an_interrupted_comparison_goes_on_where_it_was(grid, tmp_path):
    whole = bench(grid, output=tmp_path / "whole", run=RUN)
    with pytest.MonkeyPatch.context() as patch:
        Interrupted(patch, 3, KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            bench(grid, output=tmp_path / "out", run=RUN)
    before = rows_of(tmp_path / "out")
    assert len(before) == 2
    assert "2 of 2 cells" in (tmp_path / "out" / "tables.md").read_text()
    with pytest.MonkeyPatch.context() as patch:
        counted = Interrupted(patch, -1, KeyboardInterrupt)
        result = bench(grid, output=tmp_path / "out", run=RUN)
    assert counted.scans == 2  # the fifth cell shares the first one's
    assert (result.ran, result.found) == (4, 2)
    after = rows_of(tmp_path / "out")
    assert after[:2] == before
    assert without_measurements(after) == without_measurements(rows_of(tmp_path / "whole"))
    assert without_measurements(after) == without_measurements(list(whole.rows))


@pytest.mark.slow
def test_ctrl_c_on_the_command_line(grid, tmp_path):
    command = ("bench", grid, "-o", "out", "--workers", "0")
    code, _ = stopped(signal.SIGINT, "cell 2 of", tmp_path, *command)
    assert code == 130
    assert len(rows_of(tmp_path / "out")) >= 1
    done = run_cli("bench", grid, "-o", "out", "--workers", 0, "-q", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(rows_of(tmp_path / "out")) == 6


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (CollapseError("it collapsed"), "it collapsed"),
        pytest.param(ValueError("odd"), "ValueError: odd", marks=pytest.mark.slow),
    ],
)
def test_a_failing_cell_is_recorded_and_tried_again(error, told, grid, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        Interrupted(patch, 2, error)
        result = bench(grid, output=tmp_path / "out", run=RUN, only="detection")
    assert len(result.failures) == 1
    rows = rows_of(tmp_path / "out")
    assert len(rows) == 4
    assert rows[1]["error"].startswith(told)
    assert rows[1]["precision"] is None
    assert rows[2]["error"] is None
    page = (tmp_path / "out" / "tables.md").read_text()
    assert f"colours, deft, seed 1: {told}" in page.replace("\\", "")
    again = bench(grid, output=tmp_path / "out", run=RUN, only="detection")
    assert (again.ran, again.found, again.failures) == (1, 3, ())
    assert len(rows_of(tmp_path / "out")) == 4


def test_a_failing_adaptation_keeps_what_the_scan_has_found(grid, tmp_path, monkeypatch):
    def fails(*_arguments, **_options):
        raise MemoryError

    monkeypatch.setattr(cell_runs, "adapt", fails)
    (row,) = bench(grid, output=tmp_path / "out", run=RUN, only="deft, nano").rows
    assert row["error"].startswith("MemoryError")
    assert row["judged"] == 60
    assert row["seconds"] == row["scan_seconds"] > 0
    assert "Traceback" in next((tmp_path / "out" / "errors").iterdir()).read_text()


@pytest.mark.slow
def test_what_failed_is_told_with_exit_code_3(grid, tmp_path, capsys):
    grid.write_text(GRID.replace('"nano"', '"local-dir:gone"', 1))
    out = str(tmp_path / "out")
    assert cli.run(["bench", str(grid), "-o", out, "--offline", "--workers", "0", "-q"]) == 3
    assert "failed         4" in capsys.readouterr().out
    rows = rows_of(tmp_path / "out")
    assert [row["error"] is None for row in rows] == [False] * 4 + [True] * 2
    assert not any(str(tmp_path) in row["error"] for row in rows[:4])


@pytest.mark.slow
def test_other_settings_are_other_cells_and_other_grids_stay(grid, tmp_path):
    bench(grid, output=tmp_path / "out", run=RUN, only="accuracy")
    bench(grid, output=tmp_path / "out", run=RUN, only="detection")
    assert [row["grid"] for row in rows_of(tmp_path / "out")] == ["accuracy"] * 2 + [
        "detection"
    ] * 4
    grid.write_text(GRID.replace("epochs = 2", "epochs = 3", 1))
    result = bench(grid, output=tmp_path / "out", run=RUN, only="detection")
    assert (result.ran, result.found) == (4, 0)
    rows = rows_of(tmp_path / "out")
    assert len(rows) == 6
    assert {json.loads(row["settings"])["epochs"] for row in rows if row["grid"][0] == "d"} == {3}


def test_a_sample_of_the_rows_is_said_in_the_tables(grid, tmp_path):
    result = bench(grid, output=tmp_path / "out", run=RUN, only="all-rows", limit_rows=24)
    assert [row["rows"] for row in result.rows] == [24]
    assert [row["tested_on"] for row in result.rows] == [9]
    assert "NOT ALL ROWS: a stratified sample of 24" in result.markdown.read_text()
    assert "NOT ALL ROWS: a stratified sample of 24" in result.html.read_text()


@pytest.mark.slow
def test_missing_data_are_all_told_before_anything_runs(grid, tmp_path):
    more = GRID.replace('data = ["colours"]', 'data = ["colours", "cub-200-2011", "cifar10"]', 1)
    grid.write_text(more)
    with pytest.raises(InputError) as told:
        bench(grid, output=tmp_path / "out", data=tmp_path, run=RUN)
    assert "2 data sets are missing" in told.value.message
    assert "cub-200-2011: " in told.value.message
    assert "cifar10: " in told.value.message
    assert not (tmp_path / "out").exists()
    result = bench(
        grid, output=tmp_path / "out", data=tmp_path, run=RUN, only="accuracy", skip_missing=True
    )
    assert (len(result.rows), result.skipped) == (2, 0)
    result = bench(grid, output=tmp_path / "out", data=tmp_path, run=RUN, skip_missing=True)
    assert (len(result.rows), result.skipped) == (6, 8)


def test_what_is_refused(grid, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("x")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="holds something that bench did not make"):
            bench(grid, output=tmp_path / "other", run=RUN, overwrite=overwrite)
    with pytest.raises(UsageError, match="There is nothing to run"):
        bench(output=tmp_path / "out")
    with pytest.raises(UsageError, match="occurs in no cell"):
        bench(grid, output=tmp_path / "out", only="nothing")
    with pytest.raises(UsageError, match="different whole numbers"):
        bench(grid, output=tmp_path / "out", seeds=(1, 1))
    with pytest.raises(UsageError, match="--limit-rows is 1"):
        bench(grid, output=tmp_path / "out", limit_rows=1)
    assert (tmp_path / "other" / "mine.txt").read_text() == "x"


@pytest.mark.slow
def test_overwrite_begins_anew_and_leaves_what_is_not_its_own(grid, tmp_path):
    bench(grid, output=tmp_path / "out", run=RUN, only="accuracy")
    (tmp_path / "out" / "mine.txt").write_text("x")
    result = bench(grid, output=tmp_path / "out", run=RUN, only="all-rows", overwrite=True)
    assert result.ran == 1
    assert len(rows_of(tmp_path / "out")) == 1
    assert (tmp_path / "out" / "mine.txt").exists()


def test_seeds_in_place_of_the_grids(grid, tmp_path):
    from deftclean.experiments.choose import chosen_cells

    cells = chosen_cells(grid, seeds=(4, 5), only="accuracy").cells
    assert [(cell.method.split(",")[0], cell.seed) for cell in cells] == [
        ("deft", 4), ("deft", 5), ("all-rows", 4), ("all-rows", 5),
    ]  # fmt: skip


def test_a_result_shows_itself(grid, tmp_path):
    result = bench(grid, output=tmp_path / "out", run=RUN, only="all-rows")
    assert repr(result).startswith("BenchResult(cells=1, run_now=1, results=")
    assert deftclean.BenchResult is type(result)


def test_only_a_tuned_detector_is_compiled(grid, tmp_path, monkeypatch):
    asked = {}

    def scan(*_arguments, strategy, settings, run, **_options):
        asked[strategy, settings.get("tuner")] = run.compile
        raise CollapseError("enough")

    monkeypatch.setattr(cell_runs, "scan", scan)
    text = GRID.split("[[grid]]")[1].replace('["deft"]', '["deft", "gmm", "knn"]')
    text = text.replace('tuner = "none", ', "").replace("0, 1", "0")
    untuned = text.replace('"detection"', '"untuned"').replace("{epochs", '{tuner = "none", epochs')
    grid.write_text("[[grid]]".join([GRID.split("[[grid]]")[0], text, untuned]))
    bench(grid, output=tmp_path / "out", run=replace(RUN, compile=True))
    compiled = [key for key, value in asked.items() if value]
    assert len(asked) == 6
    assert compiled == [("deft", None)]


def test_a_foreign_card_makes_no_folder_ours(grid, tmp_path):
    out = tmp_path / "out"
    (out / "data").mkdir(parents=True)
    (out / "data" / "mine.txt").write_text("x")
    for card in ("{}", "[1]", "no json", '{"format": 1}', '{"tool_version": "1"}'):
        (out / "bench.json").write_text(card)
        with pytest.raises(UsageError, match="bench did not make"):
            bench(grid, output=out, run=RUN, overwrite=True)
    assert (out / "data" / "mine.txt").exists()


def test_data_in_the_output_folder_are_refused(grid, tmp_path):
    out = grid.parent
    (out / "bench.json").write_text(json.dumps({"format": 1, "tool_version": "1"}))
    with pytest.raises(UsageError, match="Data lie in the output folder") as told:
        bench(grid, output=out, data=out / "root", run=RUN, overwrite=True)
    for name in ("labels.csv", "truth.csv", "root"):
        assert str(out / name) in told.value.message


def test_what_a_killed_start_leaves_is_not_in_the_way(grid, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".bench.json.1234abcd.tmp").write_text("")
    assert bench(grid, output=tmp_path / "out", run=RUN, only="all-rows").ran == 1
    assert not list((tmp_path / "out").glob(".*"))


def test_a_linked_part_is_refused_and_stays(grid, tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    for folder in (out, elsewhere):
        folder.mkdir()
    (out / "bench.json").write_text(json.dumps({"format": 1, "tool_version": "1"}))
    (out / "data").symlink_to(elsewhere)
    with pytest.raises(UsageError, match="holds links, which are not deleted: data"):
        bench(grid, output=out, run=RUN, overwrite=True)
    assert (out / "bench.json").exists()


def test_seeds_that_no_generator_takes_are_refused(grid, tmp_path):
    for seed in (-1, 2**63):
        with pytest.raises(UsageError, match="different whole numbers from 0, below"):
            bench(grid, output=tmp_path / "out", seeds=(seed,))


def failing(error):
    def scan(*_arguments, **_options):
        raise error

    return scan


def test_a_failed_cell_keeps_the_hint_and_shows_no_escape_codes(grid, tmp_path, monkeypatch):
    monkeypatch.setattr(cell_runs, "scan", failing(RunError("it \x1b[31mbroke", "Mend it.")))
    result = bench(grid, output=tmp_path / "out", run=RUN, only="detection", seeds=(0,))
    assert result.rows[0]["error"] == "it \x1b[31mbroke Mend it."
    assert result.failures[0].endswith("it \\x1b[31mbroke Mend it.")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (RunError("disk full"), True),
        (CollapseError("gone"), False),
        pytest.param(UsageError("no"), False, marks=pytest.mark.slow),
    ],
)
def test_an_unfinished_scan_stays_where_going_on_may_help(
    error, stays, grid, tmp_path, monkeypatch
):
    def scan(*_arguments, output, **_options):
        checkpoint_folder(output).mkdir(parents=True)
        raise error

    monkeypatch.setattr(cell_runs, "scan", scan)
    bench(grid, output=tmp_path / "out", run=RUN, only="accuracy", seeds=(0,))
    assert len(list((tmp_path / "out" / "scans").glob("*.unfinished"))) == int(stays)


def test_one_place_holds_what_was_made_in_one_way(grid, tmp_path, monkeypatch):
    monkeypatch.setattr(cell_runs, "scan", failing(RunError("no")))
    asked = {"output": tmp_path / "out", "run": RUN, "only": "detection"}
    bench(grid, **asked)
    assert len(rows_of(tmp_path / "out")) == 4
    bench(grid, **asked, seeds=(0,), limit_rows=30)
    rows = rows_of(tmp_path / "out")
    assert [(row["seed"], row["limit_rows"]) for row in rows] == [(0, 30)] * 2
    assert all(row["how"] for row in rows)


def test_results_without_how_are_read_and_completed(grid, tmp_path, monkeypatch):
    result = bench(grid, output=tmp_path / "out", run=RUN, only="all-rows")
    table = pq.read_table(result.results)
    pq.write_table(table.drop_columns(["how"]), result.results)
    again = bench(grid, output=tmp_path / "out", run=RUN, only="all-rows")
    assert (again.ran, again.found) == (0, 1)
    assert pq.read_table(result.results) == table
    pq.write_table(table.drop_columns(["how"]), result.results)
    monkeypatch.setattr(cell_runs, "adapt", failing(RunError("no")))
    more = bench(grid, output=tmp_path / "out", run=RUN, only="all-rows", seeds=(1,))
    assert [row["seed"] for row in Results.read(more.output).rows] == [0, 1]
    other = bench(grid, output=tmp_path / "out", run=RUN, only="all-rows", seeds=(2,), epochs=2)
    assert [row["seed"] for row in Results.read(other.output).rows] == [2]


def test_a_card_without_its_weights_deleted_is_tidied(grid, tmp_path):
    result = bench(grid, output=tmp_path / "out", run=RUN, only="all-rows")
    (card,) = (result.output / "adapted").glob("*[0-9a-f].json")
    card.with_suffix("").mkdir()
    result.results.unlink()
    assert bench(grid, output=tmp_path / "out", run=RUN, only="all-rows").ran == 1
    assert not card.with_suffix("").exists()


def test_the_model_in_a_folder_is_compared_by_content(grid, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    shutil.copytree(NANO, folder)
    grid.write_text(GRID.replace('model = "nano"', f'model = "local-dir:{folder}"', 1))
    monkeypatch.setattr(cell_runs, "scan", failing(RunError("no")))
    asked = {"output": tmp_path / "out", "run": RUN, "only": "detection", "seeds": (0,)}
    before, again = (bench(grid, **asked).rows[0] for _ in range(2))
    with (folder / "open_clip_config.json").open("a") as file:
        file.write("\n")
    after = bench(grid, **asked).rows[0]
    assert before["key"] == again["key"] != after["key"]
    assert before["how"] == again["how"] != after["how"]


@pytest.mark.slow
def test_the_card_of_an_adaptation_comes_after_its_epochs(grid, tmp_path, monkeypatch):
    def killed(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cell_runs.shutil, "move", killed)
        with pytest.raises(KeyboardInterrupt):
            bench(grid, output=tmp_path / "out", run=RUN, only="all-rows")
    assert bench(grid, output=tmp_path / "out", run=RUN, only="all-rows").failures == ()
    assert len(list((tmp_path / "out" / "adapted").glob("*.epochs.jsonl"))) == 1


def test_weights_are_named_with_the_model(grid, tmp_path):
    with pytest.raises(UsageError, match="takes no weights"):
        bench(grid, output=tmp_path / "out", run=replace(RUN, weights="openai"))
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_leaves_no_folder(grid, tmp_path):
    with pytest.raises(UsageError, match="cuda"):
        bench(grid, output=tmp_path / "out", run=replace(RUN, device="cuda"))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_all_rows_are_looked_at_anew_by_the_next_command(grid, folder, tmp_path):
    away = [path.rename(path.with_suffix(".away")) for path in folder.rglob("*.png")]
    asked = {"output": tmp_path / "out", "run": RUN, "only": "all-rows"}
    assert "no row is left to learn from" in bench(grid, **asked).failures[0]
    for path in away:
        path.rename(path.with_suffix(".png"))
    result = bench(grid, **asked)
    assert result.failures == ()
    assert result.rows[0]["trained_on"] == 60


def test_small_loss_is_told_the_share_of_the_labels_that_are_given(grid, folder, tmp_path):
    head, first, *rest = (folder.parent / "labels.csv").read_text().splitlines()
    name, _, *more = first.split(",")
    unlabelled = ",".join([name, "", *more])
    (folder.parent / "labels.csv").write_text("\n".join([head, unlabelled, *rest]) + "\n")
    text = GRID.split('[[grid]]\nname = "accuracy"')[0].replace('["deft"]', '["small-loss"]')
    grid.write_text(text)
    asked = {"output": tmp_path / "out", "run": RUN, "seeds": (0,), "only": "colours · small"}
    result = bench(grid, **asked)
    assert result.failures == ()
    (row,) = result.rows[:1]
    assert (row["rows"], row["scored"]) == (60, 59)
    metadata = pq.read_schema(next((tmp_path / "out" / "scans").glob("*.parquet"))).metadata
    told = json.loads(metadata[METADATA_KEY])["noise_ratio"]
    assert told == pytest.approx(row["noise_rate"])
    page = result.markdown.read_text()
    assert "of these have a score: 59" in page


def test_two_grids_of_one_name_cannot_share_a_place():
    from deftclean.experiments.cells import Cell, LabelledData, Selection
    from deftclean.experiments.choose import _refuse_mixed

    cell = Cell("g", "c", "m", LabelledData("d"), Selection("deft", "real", "nano"), None, 0)
    other = Selection("deft", "real", "ViT-B-16")
    _refuse_mixed([cell, replace(cell, seed=1)])
    with pytest.raises(InputError, match="1 places of the tables are asked for with different"):
        _refuse_mixed([cell, replace(cell, seed=1, selection=other)])
