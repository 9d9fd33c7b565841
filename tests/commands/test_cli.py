"""Every command through the real command line, on real files, in another folder."""

import io
import json
import re
import signal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deftclean import __version__
from deftclean.cli import main as cli
from deftclean.detection import scan as detection
from deftclean.table.scores import METADATA_KEY, SCORE_COLUMNS
from tests.support.commands import run_cli, run_process, stopped
from tests.support.pictures import COLOURS, draw

FAST = ("--model", "nano", "--noise", "synthetic", "--tuner", "none", "--epochs", "4", "--quiet")


def table_of(path):
    table = pq.read_table(path)
    return table, json.loads(table.schema.metadata[METADATA_KEY])


def demo(tmp_path):
    """What it printed, the AUROC in it, and the metadata of its table."""
    done = run_cli("demo", "trial", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    figures = {
        line.split("  ")[0].strip(): line for line in done.stdout.splitlines() if line.strip()
    }
    table, metadata = table_of(tmp_path / "trial" / "clean.parquet")
    assert len(table) == 1000
    assert (metadata["config"]["warmup"], metadata["config"]["epochs"]) == (5, 10)
    assert metadata["config"]["flip"] is False
    command = next(line for line in done.stdout.splitlines() if line.startswith("deftclean scan"))
    assert command == (
        "deftclean scan trial/images trial/labels.csv --model nano --noise synthetic --no-flip "
        "-o trial/clean.parquet"
    )
    return float(figures["AUROC"].split()[1]), metadata


@pytest.mark.slow
def test_demo_finds_the_flipped_digits(tmp_path):
    auroc, metadata = demo(tmp_path)
    assert auroc >= 0.90
    assert metadata["separation"] > 0.75


@pytest.mark.slow
def test_demo_without_its_visual_prompts(tmp_path, monkeypatch):
    """Training those takes a minute; all else of it is the same, and what it finds is less."""
    real = detection.scan

    def untuned(*data, settings, **options):
        return real(*data, settings={**settings, "tuner": "none"}, **options)

    monkeypatch.setattr(detection, "scan", untuned)
    auroc, metadata = demo(tmp_path)
    assert auroc >= 0.75
    assert metadata["config"]["tuner"] == "none"


@pytest.mark.slow
def test_the_command_that_demo_prints_gives_the_same_bytes(tmp_path):
    done = run_cli("demo", "trial", "--quiet", cwd=tmp_path)
    command = next(line for line in done.stdout.splitlines() if line.startswith("deftclean scan"))
    # With other workers, too.
    first = (tmp_path / "trial" / "clean.parquet").read_bytes()
    words = command.split()[1:]
    again = run_cli(*words, "--overwrite", "--workers", "2", "-q", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "trial" / "clean.parquet").read_bytes() == first


@pytest.mark.slow
def test_the_papers_single_warmup_epoch_does_not_work_on_1000_digits(tmp_path):
    from deftclean.datasets.demo import compare_with_truth, write_demo
    from deftclean.table.scores import read_scores

    made = write_demo(tmp_path / "digits", 0)
    done = run_cli(
        "scan", made.images, made.labels, "--model", "nano", "--noise", "synthetic", "--no-flip",
        "--warmup", "1", "--epochs", "10", "--recipe", "deft", "-q", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = compare_with_truth(read_scores(tmp_path / "clean.parquet"), made.truth)
    assert found.auroc < 0.8


def test_scan_score_and_select(folder, labels, tmp_path):
    done = run_cli("scan", "data", "labels.csv", *FAST, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table, metadata = table_of(tmp_path / "clean.parquet")
    assert table.column_names == ["label", "split", *SCORE_COLUMNS]
    assert table["row"].to_pylist() == list(range(60))
    assert table["given_label"].to_pylist() == table["label"].to_pylist()
    assert set(table["split"].to_pylist()) == {"007"}
    assert set(table["status"].to_pylist()) == {"ok"}
    assert metadata["image_root"] == "data"
    assert metadata["model"] == "nano"
    assert str(tmp_path) not in json.dumps(metadata)
    prob = table["clean_prob"].to_numpy()
    assert ((prob >= 0) & (prob <= 1)).all()
    assert ((prob > 0.5) == table["keep"].to_numpy(zero_copy_only=False)).all()
    assert {
        *("detector.json", "detector.safetensors", "detector.2.safetensors"),
        "evidence.safetensors",
    } == {path.name for path in (tmp_path / "clean.detector").iterdir()}

    # What was kept gives the same pictures much the same scores, from their folder alone. Not the
    # same: here both halves' detectors speak, and every head, and they know the labels.
    done = run_cli("score", "clean.detector", "data", "-o", "scores.parquet", "-q", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again, _ = table_of(tmp_path / "scores.parquet")
    assert again.column_names == list(SCORE_COLUMNS)
    by_name = dict(zip(table["file_name"].to_pylist(), prob, strict=True))
    there = [by_name[name] for name in again["file_name"].to_pylist()]
    assert np.corrcoef(there, again["clean_prob"].to_numpy())[0, 1] > 0.8

    (tmp_path / "deep").mkdir()
    done = run_cli(
        "select", "clean.parquet", "--rule", "agree", "--threshold", "0.6", "-o",
        "deep/strict.parquet", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    strict, metadata = table_of(tmp_path / "deep" / "strict.parquet")
    top = np.array(strict["clean_top_label"].to_pylist()) == strict["given_label"].to_pylist()
    assert strict["keep"].to_pylist() == ((prob > np.float32(0.6)) & top).tolist()
    assert (metadata["rule"], metadata["threshold"]) == ("agree", 0.6)
    assert metadata["image_root"] == "../data"
    assert strict.drop_columns(["keep"]).equals(table.drop_columns(["keep"]))


def test_bad_images_stay_in_the_table_with_their_status(folder, labels, tmp_path):
    whole = (folder / "apple" / "03.png").read_bytes()
    (folder / "apple" / "empty.png").write_bytes(b"")
    (folder / "apple" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "apple" / "text.jpg").write_text("not an image")
    (tmp_path / "secret.png").write_bytes(whole)
    (folder / "apple" / "link.png").symlink_to(tmp_path / "secret.png")
    with labels.open("a") as file:
        file.write(
            "apple/empty.png,apple,x\napple/cut.png,apple,x\napple/text.jpg,apple,x\n"
            "apple/link.png,apple,x\n../secret.png,apple,x\ngone.png,apple,x\n"
            "apple\\03.png,,x\n"
        )
    done = run_cli("scan", "data", "labels.csv", *FAST, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 missing, 2 outside, 1 unlabeled, 3 unreadable" in done.stdout
    table, _ = table_of(tmp_path / "clean.parquet")
    tail = table.slice(60).to_pylist()
    assert [row["status"] for row in tail] == [
        "unreadable", "unreadable", "unreadable", "outside", "outside", "missing", "unlabeled",
    ]  # fmt: skip
    assert all(row["clean_prob"] is None and row["keep"] is False for row in tail)
    assert all(row["error"] for row in tail[:-1])
    assert tail[-1]["predicted_label"] in COLOURS
    assert tail[0]["predicted_label"] is None
    assert tail[3]["content_sha256"] is None


@pytest.mark.slow
def test_a_hugging_face_parquet_is_scanned_without_a_folder(tmp_path):
    rows, names = [], list(COLOURS)
    for index in range(30):
        buffer = io.BytesIO()
        draw(COLOURS[names[index % 3]], index).save(buffer, "PNG")
        path = None if index == 4 else f"{index}.png"
        rows.append({"image": {"bytes": buffer.getvalue(), "path": path}, "label": index % 3})
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    table = pa.Table.from_pylist(rows).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    pq.write_table(table, tmp_path / "train.parquet", row_group_size=7)
    done = run_cli("scan", "train.parquet", *FAST, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    scores, _ = table_of(tmp_path / "clean.parquet")
    assert scores["label"].to_pylist() == [index % 3 for index in range(30)]
    assert scores["given_label"].to_pylist() == [names[index % 3] for index in range(30)]
    assert scores["file_name"].to_pylist()[3:6] == ["3.png", "train.parquet#4", "5.png"]
    assert "image" not in scores.column_names
    assert set(scores["status"].to_pylist()) == {"ok"}


def test_labels_that_the_detector_does_not_know_keep_their_predictions(folder, tmp_path):
    run_cli("scan", "data", *FAST, cwd=tmp_path)
    (folder / "leaf").rename(folder / "tree")
    draw((1, 2, 3), 0).save(folder / "loose.png")
    done = run_cli("score", "clean.detector/", "data", "-q", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "'tree'; their rows have status unknown_label" in done.stderr
    rows = table_of(tmp_path / "scores.parquet")[0].to_pylist()
    unknown = [row for row in rows if row["given_label"] == "tree"]
    assert {row["status"] for row in unknown} == {"unknown_label"}
    assert all(row["clean_prob"] is None and row["predicted_label"] for row in unknown)
    (loose,) = [row for row in rows if row["file_name"] == "loose.png"]
    assert (loose["status"], loose["keep"]) == ("unlabeled", False)


@pytest.mark.parametrize("recipe", ["deft", pytest.param("evidence", marks=pytest.mark.slow)])
def test_same_seed_same_bytes_whatever_the_workers(folder, tmp_path, recipe):
    outputs = []
    for index, workers in enumerate((0, 2)):
        output = tmp_path / f"{index}.parquet"
        done = run_cli(
            "scan", "data", "--model", "nano", "--epochs", "1", "--workers", workers,
            "-P", "2", "-M", "4", "-q", "-o", output, "--recipe", recipe, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        tensors = tmp_path / f"{index}.detector" / "detector.safetensors"
        outputs.append((output.read_bytes(), tensors.read_bytes()))
    assert outputs[0] == outputs[1]
    other = run_cli(
        "scan", "data", "--model", "nano", "--epochs", "1", "-P", "2", "-M", "4", "-q", "--seed",
        "1", "-o", "other.parquet", "--recipe", recipe, cwd=tmp_path,
    )  # fmt: skip
    assert other.returncode == 0
    assert (tmp_path / "other.parquet").read_bytes() != outputs[0][0]


def test_a_part_is_trained_on_and_every_row_judged(folder, tmp_path):
    few = ("--recipe", "deft", "--train-on", "20", "-o", "few.parquet")
    done = run_cli("scan", "data", *FAST[:-1], *few, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table, facts = table_of(tmp_path / "few.parquet")
    assert table["clean_prob"].null_count == 0
    assert facts["config"]["train_on"] == 20
    all_of_them = ("--recipe", "deft", "-o", "all.parquet")
    assert run_cli("scan", "data", *FAST, *all_of_them, cwd=tmp_path).returncode == 0
    others = table_of(tmp_path / "all.parquet")[0]
    assert not others["clean_prob"].equals(table["clean_prob"])
    done = run_cli("scan", "data", *FAST, "--train-on", "2", cwd=tmp_path)
    assert done.returncode == 2
    assert "--train-on 2 is less than a row of each of 3 classes" in done.stderr


def test_warmup_over_all_epochs_warns_and_works(folder, tmp_path):
    done = run_cli("scan", "data", *FAST, "--recipe", "deft", "--warmup", "4", cwd=tmp_path)
    assert done.returncode == 0
    assert "warm-up (4) covers all 4 epochs" in done.stderr
    assert "covers all 4 epochs" in table_of(tmp_path / "clean.parquet")[1]["warnings"][0]


COLLAPSING = ("--model", "nano", "--noise", "synthetic", "--lr", "50", "--epochs", "3", "-q")


@pytest.fixture(scope="module")
def few_digits(tmp_path_factory):
    from deftclean.datasets.demo import write_demo

    made = write_demo(tmp_path_factory.mktemp("few") / "digits", 0)
    made.labels.write_text("\n".join(made.labels.read_text().splitlines()[:200]))
    return made


def test_a_collapse_stops_with_3_and_writes_no_table(few_digits, tmp_path):
    done = run_cli(
        "scan", few_digits.images, few_digits.labels, *COLLAPSING, "--recipe", "deft", cwd=tmp_path
    )
    assert done.returncode == 3
    assert "Training collapsed in epoch" in done.stderr
    assert "--clip-grad" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_half_that_collapses_is_trained_again_and_that_is_said(few_digits, tmp_path):
    done = run_cli("scan", few_digits.images, few_digits.labels, *COLLAPSING, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search("training of half [12] collapsed", done.stderr)
    table, metadata = table_of(tmp_path / "clean.parquet")
    assert any("tenth of --lr" in text for text in metadata["warnings"])
    assert np.isfinite(table["clean_prob"].to_numpy()).all()
    assert {path.name for path in tmp_path.iterdir()} == {"clean.parquet", "clean.detector"}


@pytest.mark.slow
def test_labels_unrelated_to_the_pictures_are_a_warning_not_a_refusal(tmp_path):
    random = np.random.default_rng(0)
    for index in range(120):
        given = list(COLOURS)[random.integers(3)]
        path = tmp_path / "data" / given / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(list(COLOURS.values())[random.integers(3)], index).save(path)
    done = run_cli("scan", "data", *FAST, "--lr", "0.001", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    warnings = table_of(tmp_path / "clean.parquet")[1]["warnings"]
    assert any("the data cannot be judged" in text for text in warnings)
    assert "no witness can tell these labels from random ones" in done.stderr
    alone = run_cli(
        "scan", "data", *FAST, "--lr", "0.001", "--recipe", "deft", "-o", "d.parquet", cwd=tmp_path
    )
    warnings = table_of(tmp_path / "d.parquet")[1]["warnings"]
    assert any("above chance (" in text for text in warnings)
    assert "above chance" in alone.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("scan", "nowhere"), "nowhere does not exist"),
        (
            ("scan", "data", "--lr", "-1", "--epochs", "0"),
            "--epochs is 0; it must be at least 1; --lr",
        ),
        (("scan", "data", "--model", "ViT-B-61"), "Did you mean"),
        (("scan", "data", "--weights", "nope"), "neither a file nor a pretrained tag"),
        (("scan", "data", "--model", "nano", "--weights", "x"), "brings its own"),
        (("scan", "data", "--model", "local-dir:gone"), "is not a model folder"),
        (("scan", "data", "--device", "cuda:7"), "no such device"),
        (("scan", "data", "--threshold", "7"), "lies in [0, 1]"),
        (("scan", "data", "--tuner", "none", "--flip"), "cannot go with --tuner none"),
        (("scan", "data", "--tuner", "none", "--compile"), "--compile cannot go with"),
        (("scan", "data", "-o", "out.csv"), "Let its name end in .parquet"),
        (("scan", "data", "-o", "gone/out.parquet"), "does not exist"),
        (("scan", "data", "--noise", "loud"), "Invalid value for '--noise'"),
        (("scan", "data", "--nonsense"), "No such option"),
        (("score", "data", "data"), "is not a detector folder"),
        (("select", "gone.parquet", "-o", "x.parquet"), "is not a file"),
        (("select", "labels.csv", "-o", "x.parquet"), "not a Parquet file"),
    ],
)
def test_usage_errors_exit_with_2_and_one_clear_message(
    arguments, message, folder, labels, tmp_path, monkeypatch, capsys
):
    """In this process, where torch is loaded already; the others start the command itself."""
    before = {path.name for path in tmp_path.iterdir()}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    assert cli.run(list(arguments)) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""
    assert {path.name for path in tmp_path.iterdir()} == before


def test_weights_that_cannot_be_had_exit_with_3_and_say_what_was_tried(folder, tmp_path, empty_hub):
    done = run_cli("scan", "data", "--offline", cwd=tmp_path)
    assert done.returncode == 3
    assert "Hugging Face cache" in done.stderr
    assert "--model nano" in done.stderr


def test_existing_outputs_are_left_alone(folder, tmp_path):
    (tmp_path / "clean.parquet").write_text("mine")
    done = run_cli("scan", "data", *FAST, cwd=tmp_path)
    assert (done.returncode, (tmp_path / "clean.parquet").read_text()) == (2, "mine")
    (tmp_path / "clean.parquet").unlink()
    (tmp_path / "clean.detector").mkdir()
    (tmp_path / "clean.detector" / "thesis.txt").write_text("mine")
    done = run_cli("scan", "data", *FAST, "--overwrite", cwd=tmp_path)
    assert done.returncode == 2
    assert (tmp_path / "clean.detector" / "thesis.txt").read_text() == "mine"


def test_one_class_or_nothing_readable_is_refused_before_weights_load(tmp_path):
    (tmp_path / "data" / "cat").mkdir(parents=True)
    draw((9, 9, 9), 0).save(tmp_path / "data" / "cat" / "a.png")
    # A model that cannot be had: it is not asked for.
    done = run_cli("scan", "data", "--offline", cwd=tmp_path)
    assert (done.returncode, "all readable images have the label 'cat'" in done.stderr) == (2, True)
    (tmp_path / "data" / "cat" / "a.png").write_bytes(b"no")
    done = run_cli("scan", "data", "--offline", cwd=tmp_path)
    assert (done.returncode, "(1 unreadable)" in done.stderr) == (2, True)


def test_settings_come_from_flag_then_environment_then_file(folder, tmp_path):
    (tmp_path / "deftclean.toml").write_text(
        '[scan]\nmodel = "nano"\nepochs = 3\nwarmup = 1\ntuner = "none"\nseed = 5\n'
        'recipe = "deft"\n'
    )
    done = run_cli("scan", "data", "--seed", "7", "-q", cwd=tmp_path, DEFTCLEAN_SCAN_EPOCHS="2")
    assert done.returncode == 0, done.stderr
    config = table_of(tmp_path / "clean.parquet")[1]["config"]
    assert (config["seed"], config["epochs"], config["tuner"]) == (7, 2, "none")
    (tmp_path / "deftclean.toml").write_text("[scan]\nepoch = 3\n[scam]\nx = 1\n")
    done = run_cli("scan", "data", cwd=tmp_path)
    assert done.returncode == 2
    assert (
        "[scan] has no option 'epoch' (did you mean epochs?); [scam] is no command" in done.stderr
    )


def test_hostile_names_are_shown_as_text(tmp_path):
    for index in range(12):
        label = ["[red]apple[/red]", "leaf"][index % 2]
        path = tmp_path / "data" / label.replace("/", "∕") / f"[bold]{index}\n\x1b[31m.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw((200 * (index % 2), 30, 40), index).save(path)
    done = run_cli("scan", "data", *FAST, "--threshold", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "[bold]" in done.stdout
    assert "\\n\\x1b[31m.png" in done.stdout


def test_quiet_leaves_results_and_takes_progress(folder, tmp_path):
    loud = run_cli("scan", "data", *FAST[:-1], "--recipe", "deft", cwd=tmp_path)
    quiet = run_cli("scan", "data", *FAST, "--recipe", "deft", "--overwrite", cwd=tmp_path)
    assert "epoch 1/4" in loud.stderr
    assert "Scoring" in loud.stderr
    assert all(line.startswith("Warning: ") for line in quiet.stderr.splitlines())
    assert "noise rate" in quiet.stdout


SCAN = ("scan", "data", "--model", "nano", "-P", "2", "-M", "4", "--workers", "0")


def test_an_interrupted_scan_writes_no_table_and_says_how_to_go_on(folder, tmp_path):
    code, errors = stopped(signal.SIGINT, "epoch 1/", tmp_path, *SCAN, "--epochs", "500")
    assert code == 130
    assert "what was not finished was not written" in errors
    assert "of 500 epochs, which are kept in clean.unfinished" in errors
    assert "the same command with --resume goes on from there" in errors
    assert {path.name for path in tmp_path.iterdir()} == {"data", "clean.unfinished"}
    kept = {path.name: path.read_bytes() for path in (tmp_path / "clean.unfinished").iterdir()}
    again = run_cli(*SCAN, "--epochs", "500", cwd=tmp_path)  # would have destroyed what is kept
    assert again.returncode == 2
    assert "clean.unfinished is there" in again.stderr
    assert "--resume" in again.stderr
    assert "--overwrite" in again.stderr
    assert kept == {
        path.name: path.read_bytes() for path in (tmp_path / "clean.unfinished").iterdir()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "when"), [("deft", "epoch 2/"), ("evidence", "Training, half 1")]
)
def test_a_scan_that_was_killed_goes_on_with_the_same_numbers(folder, tmp_path, recipe, when):
    settings = ("--epochs", "3", "--warmup", "1", "--noise", "synthetic", "--recipe", recipe)
    stopped(signal.SIGKILL, when, tmp_path, *SCAN, *settings)
    other = run_cli(*SCAN, "--resume", "--epochs", "4", "--recipe", recipe, cwd=tmp_path)
    assert other.returncode == 2
    assert "what differs: settings" in other.stderr
    again = run_cli(*SCAN, *settings, "--resume", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "going on after" in again.stderr
    assert again.stderr.count("epoch 1/3") == (1 if recipe == "evidence" else 0)
    assert not list(tmp_path.glob("*.unfinished"))
    whole = run_cli(*SCAN, *settings, "-o", "b.parquet", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    assert (tmp_path / "clean.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_resume_begins_where_there_is_nothing_to_go_on_with(folder, tmp_path):
    done = run_cli("scan", "data", *FAST, "--recipe", "deft", "--resume", cwd=tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "clean.parquet").is_file()


def test_version_and_help():
    done = run_process("--version", cwd=Path.cwd())
    assert done.stdout == f"deftclean {__version__}\n"
    done = run_process("scan", "--help", cwd=Path.cwd(), COLUMNS="200")
    for word in ("synthetic", "severe", "warmup", "deftclean scan data/ labels.csv"):
        assert word in done.stdout
