"""`adapt` and `predict`, whole: what is trained, kept, resumed, refused, and read back."""

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import timm
import torch
from PIL import Image

import deftclean
from deftclean import AdaptOptions, RunOptions, adapt, load_classifier, predict
from deftclean.core.errors import InputError, UsageError, WeightsError
from deftclean.core.progress import Silent
from deftclean.models.backbones import find_backbone, load_backbone
from deftclean.table.scores import ScoreTable, read_scores, write_scores
from tests.support.commands import run_cli, stopped
from tests.support.pictures import COLOURS, draw
from tests.support.scored import NAMES, Scored, make_scored

RUN = RunOptions(workers=0, offline=True)
QUICK = {"epochs": 2, "batch_size": 16}


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    return make_scored(tmp_path_factory.mktemp("scored"))


@pytest.fixture(scope="module")
def test_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve other pictures in class folders."""
    root = tmp_path_factory.mktemp("test")
    for index in range(12):
        name = NAMES[index % 3]
        (root / name).mkdir(exist_ok=True)
        draw(COLOURS[name], 1000 + index).save(root / name / f"{index}.png")
    return root


def quick(scored: Scored, output: Path, **changes: object) -> deftclean.AdaptResult:
    arguments = {
        "backbone": "nano",
        "method": "linear",
        "settings": QUICK,
        "run": RUN,
        **changes,
    }
    return adapt(scored.table, output=output, **arguments)


@pytest.fixture(scope="module")
def adapted(scored: Scored, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder by `linear`, for tests that only read it, or copy it."""
    run = tmp_path_factory.mktemp("adapted") / "run"
    quick(scored, run)
    return run


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / "model.safetensors")


def test_the_whole_way_through_the_command_line(scored, test_folder, tmp_path):
    done = run_cli(
        "adapt", scored.table, "--backbone", "nano", "--epochs", 4, "--batch-size", 16, "--lr",
        0.01, "--test", test_folder, "--compare", "-o", "run", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "trained on     40 rows" in done.stdout
    assert "tested on      12 test rows" in done.stdout
    assert "points by cleaning" in done.stdout
    run = tmp_path / "run"
    assert sorted(path.name for path in run.iterdir()) == [
        "README.md", "config.json", "confusion.png", "deftclean.json", "learning-curve.png",
        "metrics.jsonl", "model.safetensors",
    ]  # fmt: skip
    assert not list(tmp_path.glob("*unfinished"))
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["trained_on"] for line in lines] == ["chosen"] * 4 + ["all"] * 4
    card = json.loads((run / "deftclean.json").read_text())
    assert card["results"]["cleaned"]["accuracy"] == lines[3]["accuracy"]
    assert card["results"]["uncleaned"]["rows"] == 48
    assert "Cleaning changed the accuracy" in (run / "README.md").read_text()
    for picture in ("confusion.png", "learning-curve.png"):
        Image.open(run / picture).verify()

    done = run_cli("predict", run, scored.images, "-o", "pred.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "pred.parquet").to_pydict()
    assert len(table["row"]) == 48
    right = np.mean([p == t for p, t in zip(table["predicted_label"], scored.true, strict=True)])
    assert right > 0.9
    assert all(0 < value <= 1 for value in table["predicted_prob"])


def test_timm_loads_the_run_in_two_lines_and_says_the_same(scored, tmp_path):
    quick(scored, tmp_path / "run", method="fft", settings={**QUICK, "epochs": 1})
    model = timm.create_model(f"local-dir:{tmp_path / 'run'}", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))

    picture = Image.open(scored.images / "000.png").convert("RGB")
    predict(tmp_path / "run", scored.images, output=tmp_path / "p.parquet", run=RUN)
    ours = pq.read_table(tmp_path / "p.parquet").slice(0, 1).to_pylist()[0]
    with torch.no_grad():
        theirs = model(transform(picture)[None]).softmax(dim=1)[0]
    names = model.pretrained_cfg["label_names"]
    assert names[int(theirs.argmax())] == ours["predicted_label"]
    assert float(theirs.max()) == pytest.approx(ours["predicted_prob"], abs=1e-4)


@pytest.mark.parametrize(
    "method",
    ["fft", "linear", *(pytest.param(each, marks=pytest.mark.slow) for each in ("peft", "vlpt"))],
)
def test_every_method_learns_and_comes_back(method, scored, test_folder, tmp_path):
    settings = {"epochs": 4, "batch_size": 8, "lr": 0.01}
    if method == "vlpt":
        settings = {"epochs": 6, "batch_size": 16, "context_length": 4}
    result = quick(
        scored,
        tmp_path / "run",
        method=method,
        settings=settings,
        options=AdaptOptions(test=test_folder),
    )
    assert result.cleaned.evaluation.accuracy > 0.8
    assert result.cleaned.epochs[-1].accuracy == result.cleaned.evaluation.accuracy
    found = predict(tmp_path / "run", test_folder, output=tmp_path / "p.parquet", run=RUN)
    assert found.accuracy == result.cleaned.evaluation.accuracy
    pixels = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    assert load_classifier(tmp_path / "run", offline=True)(pixels).shape == (2, 3)


@pytest.mark.slow
def test_what_each_method_trains(scored, adapted, tmp_path):
    for method in ("peft", "vlpt"):
        quick(scored, tmp_path / method, method=method, settings={**QUICK, "epochs": 1})
    assert set(weights(tmp_path / "peft")) == {"tuner.prompts", "head.weight", "head.bias"}
    assert set(weights(tmp_path / "vlpt")) == {
        "detector.tuner.prompts",
        "detector.prompts.positive",
    }
    begun = load_backbone(find_backbone("nano", None, False, None), 3, 0, True, print)
    begun, after = begun.model.state_dict(), weights(adapted)
    quick(scored, tmp_path / "fft", method="fft", settings={**QUICK, "epochs": 1})
    tuned = weights(tmp_path / "fft")
    body = [name for name in begun if not name.startswith("head.")]
    assert all(torch.equal(begun[name], after[name]) for name in body)
    assert any(not torch.equal(begun[name], tuned[name]) for name in body)
    assert bool(after["head.weight"].any())


@pytest.mark.parametrize(
    ("method", "tuner", "said"),
    [
        ("peft", "lora", "LoRA"),
        pytest.param("peft", "adaptformer", "AdaptFormer", marks=pytest.mark.slow),
        pytest.param("peft", "bitfit", "BitFit", marks=pytest.mark.slow),
        ("peft", "none", "nothing of the image tower"),
        pytest.param("vlpt", "lora", "LoRA", marks=pytest.mark.slow),
        ("vlpt", "fft", "all weights of the image tower"),
    ],
)
def test_every_tuner_adapts_and_comes_back(method, tuner, said, scored, test_folder, tmp_path):
    settings = {**QUICK, "epochs": 1, "tuner": tuner, "context_length": 4, "lr": 0.001}
    options = AdaptOptions(test=test_folder)
    result = quick(scored, tmp_path / "run", method=method, settings=settings, options=options)
    own = {"peft": ("tuner.", "head."), "vlpt": ("detector.tuner.", "detector.prompts.positive")}
    assert all(name.startswith(own[method]) for name in weights(tmp_path / "run"))
    assert said in (tmp_path / "run" / "README.md").read_text()
    found = predict(tmp_path / "run", test_folder, output=tmp_path / "p.parquet", run=RUN)
    assert found.accuracy == result.cleaned.evaluation.accuracy


def test_the_detectors_own_prompts_classify(tmp_path):
    """`prompts` is what `scan` wrote as predictions."""
    scored = make_scored(tmp_path / "s")
    labels = tmp_path / "labels.csv"
    rows = pq.read_table(scored.table, columns=["file_name", "given_label"]).to_pylist()
    lines = ["file_name,label", *(f"{row['file_name']},{row['given_label']}" for row in rows)]
    labels.write_text("\n".join(lines) + "\n")
    deftclean.scan(
        scored.images, labels, output=tmp_path / "clean.parquet", noise="synthetic",
        strategy="deft", settings={"epochs": 2, "warmup": 1, "tuner": "none"},
        run=RunOptions(model="nano", workers=0),
    )  # fmt: skip
    options = AdaptOptions(holdout=0.5, everything=True)
    result = adapt(
        tmp_path / "clean.parquet", method="prompts", output=tmp_path / "run", options=options,
        run=RUN,
    )  # fmt: skip
    assert result.cleaned.epochs == ()
    predict(tmp_path / "run", scored.images, labels, output=tmp_path / "p.parquet", run=RUN)
    of_scan = pq.read_table(tmp_path / "clean.parquet")
    ours = pq.read_table(tmp_path / "p.parquet")
    assert ours["predicted_label"].to_pylist() == of_scan["predicted_label"].to_pylist()
    np.testing.assert_allclose(
        ours["predicted_prob"].to_numpy(), of_scan["predicted_prob"].to_numpy(), atol=1e-5
    )


@pytest.mark.slow
def test_same_seed_same_bytes_whatever_the_workers(scored, tmp_path):
    for name, workers in (("a", 0), ("b", 2)):
        quick(
            scored, tmp_path / name, method="fft", settings={**QUICK, "augmentation": "strong"},
            run=RunOptions(workers=workers, offline=True),
        )  # fmt: skip
    for file in sorted(path.name for path in (tmp_path / "a").iterdir()):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


class StopAfter(Silent):
    """Ctrl-C when an epoch's line appears."""

    def __init__(self, epoch: int) -> None:
        self.start = f"epoch {epoch}/"

    def say(self, text: str) -> None:
        if text.startswith(self.start):
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("linear", {"loss": "elr"}),
        pytest.param("fft", {"optimiser": "adamw", "lr": 1e-4}, marks=pytest.mark.slow),
        pytest.param("peft", {"optimiser": "sgd"}, marks=pytest.mark.slow),
        pytest.param("peft", {"tuner": "lora"}, marks=pytest.mark.slow),
        pytest.param(
            "peft",
            {"tuner": "adaptformer", "optimiser": "adamw", "lr": 1e-4},
            marks=pytest.mark.slow,
        ),
        pytest.param("vlpt", {"tuner": "bitfit", "context_length": 4}, marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_ends_with_the_same_bytes(method, settings, scored, tmp_path):
    settings = {"epochs": 3, "batch_size": 16, **settings}
    quick(scored, tmp_path / "whole", method=method, settings=settings)
    with pytest.raises(KeyboardInterrupt):
        quick(scored, tmp_path / "run", method=method, settings=settings, progress=StopAfter(2))
    assert (tmp_path / "run.unfinished").is_dir()
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError, match="settings"):
        quick(
            scored, tmp_path / "run", settings={**settings, "lr": 0.5}, method=method, resume=True
        )
    quick(scored, tmp_path / "run", method=method, settings=settings, resume=True)
    assert not (tmp_path / "run.unfinished").exists()
    with pytest.raises(UsageError, match="run is whole: its run had finished"):
        quick(scored, tmp_path / "run", method=method, settings=settings, resume=True)
    (tmp_path / "foreign").mkdir()
    with pytest.raises(UsageError, match="foreign exists already"):
        quick(scored, tmp_path / "foreign", method=method, settings=settings, resume=True)
    for file in ("model.safetensors", "metrics.jsonl", "deftclean.json"):
        assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGKILL, -9)],
)
def test_a_stopped_command_goes_on_with_the_same_numbers(number, code, scored, tmp_path):
    command = ("adapt", scored.table, "--backbone", "nano", "--epochs", 6, "--batch-size", 16)
    command = (*command, "--workers", 0)
    done, errors = stopped(number, "epoch 1/", tmp_path, *command, "-o", "run")
    assert done == code
    assert [path.name for path in tmp_path.glob("run*")] == ["run.unfinished"]
    if number == signal.SIGINT:
        assert "the same command with --resume goes on" in errors
        assert "Interrupted; what was not finished was not written." in errors
    again = run_cli(*command, "-o", "run", "--resume", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "going on after" in again.stderr
    assert "epoch 1/6" not in again.stderr
    whole = run_cli(*command, "-o", "whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    for file in ("model.safetensors", "metrics.jsonl"):
        assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_changed_and_missing_pictures_are_reported_and_not_trained_on(tmp_path):
    scored = make_scored(tmp_path / "s")
    (scored.images / "000.png").unlink()
    draw(COLOURS["ocean"], 999).save(scored.images / "001.png")
    (scored.images / "005.png").write_bytes(b"flagged: not looked for")
    result = quick(scored, tmp_path / "run", options=AdaptOptions(holdout=0))
    assert result.cleaned.rows == 38
    (warning,) = result.warnings
    assert "1 changed, 1 missing" in warning
    assert "000.png (missing)" in warning


def test_another_image_folder_can_be_given(tmp_path):
    scored = make_scored(tmp_path / "s")
    moved = tmp_path / "moved"
    shutil.move(scored.images, moved)
    with pytest.raises(InputError, match="does not exist") as error:
        quick(scored, tmp_path / "run")
    assert "--data" in error.value.hint
    assert quick(scored, tmp_path / "run", options=AdaptOptions(data=moved)).cleaned.rows == 35


@pytest.mark.slow
def test_fewer_rows_are_seen_more_often_unless_epochs_are_given(scored, tmp_path):
    """40 of 48 rows are kept: as many steps as 10 epochs of all of them."""
    options = AdaptOptions(holdout=0, compare=True)
    result = quick(scored, tmp_path / "a", settings={"batch_size": 16}, options=options)
    assert result.config.epochs == len(result.cleaned.epochs) == 12
    assert len(result.uncleaned.epochs) == 10
    given = quick(scored, tmp_path / "b", settings=QUICK, options=options)
    assert len(given.cleaned.epochs) == len(given.uncleaned.epochs) == 2


def test_a_holdout_is_not_trained_on(scored, tmp_path):
    result = quick(scored, tmp_path / "run", options=AdaptOptions(holdout=0.25))
    assert (result.tested_on, result.test_rows, result.cleaned.rows) == ("chosen rows", 10, 30)
    text = (tmp_path / "run" / "README.md").read_text()
    assert "10 rows that were held out of those to learn from" in text
    assert "likely harder" in text


def test_a_comparison_holds_out_of_all_rows_and_claims_nothing(scored, tmp_path):
    """Rows that the cleaning chose would favour the training on what it chose."""
    done = run_cli(
        "adapt", scored.table, "--backbone", "nano", "--method", "linear", "--epochs", 2,
        "--holdout", 0.25, "--compare", "-o", "run", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "tested on      12 held-out rows of all, wrong labels included" in done.stdout
    assert "points" not in done.stdout
    assert "difference     not told" in done.stdout
    results = json.loads((tmp_path / "run" / "deftclean.json").read_text())["results"]
    assert (results["tested_on"], results["uncleaned"]["rows"]) == ("all rows", 36)
    kept_and_tested = 40 - results["cleaned"]["rows"]
    assert 0 < kept_and_tested < 12  # some of those that the table flags are tested on
    text = (tmp_path / "run" / "README.md").read_text()
    assert "wrong ones included" in text
    assert "does not tell which training is better" in text


def test_classes_without_a_row_are_told(tmp_path):
    scored = make_scored(tmp_path / "own")
    scores = read_scores(scored.table)
    at = scores.table.column_names.index("keep")
    leaf = pc.equal(scores.table["given_label"], "leaf")
    keep = pc.and_(scores.table["keep"], pc.invert(leaf))
    table = scores.table.set_column(at, scores.table.schema.field("keep"), keep)
    write_scores(ScoreTable(table, scores.metadata), scored.table, scored.images, True)
    result = quick(scored, tmp_path / "run")
    assert [text for text in result.warnings if "nothing to learn from for 1 of 3 classes" in text]
    assert "'leaf'" in result.warnings[0]
    assert "nothing to learn from" in (tmp_path / "run" / "README.md").read_text()


def test_test_rows_are_read_before_any_picture(tmp_path):
    scored = make_scored(tmp_path / "own")
    test = tmp_path / "test.csv"
    test.write_text("file_name,given\n000.png,apple\n")
    options = AdaptOptions(test=test, test_data=scored.images)
    with pytest.raises(InputError, match=r"none of its 1 rows has a label.*given"):
        quick(scored, tmp_path / "run", options=options)
    test.write_text("file_name,label\n000.png,pear\n001.png,plum\n")
    shutil.rmtree(scored.images)
    scored.images.mkdir()  # nothing in it could be read
    with pytest.raises(InputError, match=r"none of its 2 labels .*'pear', 'plum'.*'apple'"):
        quick(scored, tmp_path / "run", options=options)


def test_test_pictures_that_are_trained_on_are_told(scored, tmp_path):
    copies = tmp_path / "test" / "apple"
    copies.mkdir(parents=True)
    shutil.copy(scored.images / "000.png", copies)
    draw(COLOURS["apple"], 77).save(copies / "new.png")
    (tmp_path / "test" / "unheard-of").mkdir()
    draw(COLOURS["apple"], 78).save(tmp_path / "test" / "unheard-of" / "x.png")
    result = quick(scored, tmp_path / "run", options=AdaptOptions(test=tmp_path / "test"))
    assert any("1 of 2 test pictures are also trained on" in text for text in result.warnings)
    assert any("1 of 3 test rows have a label" in text for text in result.warnings)
    assert any("'unheard-of' (1)" in text for text in result.warnings)


@pytest.mark.slow
def test_a_run_folder_is_a_beginning_for_another(scored, tmp_path):
    quick(scored, tmp_path / "first", method="fft", settings={**QUICK, "epochs": 1})
    again = {"epochs": 1, "batch_size": 16, "lr": 1e-9}
    architecture = json.loads((tmp_path / "first" / "config.json").read_text())["architecture"]
    quick(
        scored, tmp_path / "second", method="fft", backbone=architecture,
        weights=str(tmp_path / "first"), settings=again,
    )  # fmt: skip
    before, after = weights(tmp_path / "first"), weights(tmp_path / "second")
    body = [name for name in before if not name.startswith("head.")]
    assert all(torch.allclose(before[name], after[name], atol=1e-5) for name in body)


@pytest.mark.slow
def test_other_timm_models_with_weights_from_a_file(scored, tmp_path):
    torch.manual_seed(0)
    model = timm.create_model("resnet10t", num_classes=1000)
    file = tmp_path / "resnet.safetensors"
    safetensors.torch.save_file(model.state_dict(), file)
    settings = {"epochs": 1, "batch_size": 16, "image_size": 32, "lr": 1e-9}
    quick(
        scored, tmp_path / "run", backbone="resnet10t", method="fft", weights=str(file),
        settings=settings,
    )  # fmt: skip
    kept = weights(tmp_path / "run")
    assert torch.allclose(kept["conv1.0.weight"], model.state_dict()["conv1.0.weight"], atol=1e-5)
    # Batch statistics move, are kept, and come back with the weights.
    assert not torch.equal(kept["bn1.running_mean"], model.state_dict()["bn1.running_mean"])
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["pretrained_cfg"]["input_size"] == [3, 32, 32]
    assert predict(tmp_path / "run", scored.images, output=tmp_path / "p.parquet", run=RUN)


@pytest.mark.slow
def test_the_users_own_command_from_scratch(scored, tmp_path):
    done = run_cli(
        "adapt", scored.table, "--backbone", "resnet50", "--from-scratch", "--image-size", 32,
        "--epochs", 1, "--batch-size", 16, "-o", "run", "--offline", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "tested on      " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--backbone", "resnet5"), "There is no backbone 'resnet5'"),
        (("--backbone", "resnet50.nonsense"), "nonsense"),
        (("--backbone", "resnet50", "--method", "peft"), "puts a tuner into a CLIP"),
        (("--backbone", "resnet18", "--method", "vlpt"), "puts a tuner into a CLIP"),
        (("--backbone", "nano", "--from-scratch"), "a CLIP brings its weights"),
        (("--backbone", "nano", "--epochs", "0", "--lr", "-1"), "--epochs is 0"),
        (("--backbone", "nano", "--relabel-above", "0.5"), "goes with --labels suggested"),
        (("--backbone", "nano", "--labels", "suggested"), "needs --relabel-above"),
        (("--backbone", "nano", "--labels", "final"), "no column final_label"),
        (("--backbone", "nano", "--all", "--compare"), "exclude each other"),
        (("--backbone", "nano", "--holdout", "1"), "--holdout is 1.0"),
        (("--backbone", "nano", "--test", "nowhere"), "nowhere does not exist"),
        (("--backbone", "nano", "--method", "linear", "--flip"), "cannot go with --method linear"),
        (("--method", "prompts"), "is not a detector folder"),
        (("--backbone", "nano", "--method", "peft", "--tuner", "fft"), "--tuner fft cannot go"),
        (("--backbone", "nano", "--method", "peft", "--rank", "0"), "--rank is 0"),
        (("--backbone", "resnet50", "--weights", "nowhere.pth"), "nowhere.pth does not exist"),
    ],
)
def test_usage_errors_exit_with_2_and_one_clear_message(
    arguments, message, scored, tmp_path, monkeypatch, capsys
):
    from deftclean.cli import main as cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    command = ["adapt", str(scored.table), *arguments, "--offline"]
    assert cli.run(command) == 2
    error = capsys.readouterr().err
    assert error.count("Error:") == 1
    assert message in error
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_is_left_alone(scored, adapted, tmp_path):
    shutil.copytree(adapted, tmp_path / "run")
    before = (tmp_path / "run" / "model.safetensors").stat()
    with pytest.raises(UsageError, match="exists already"):
        quick(scored, tmp_path / "run")
    assert (tmp_path / "run" / "model.safetensors").stat() == before
    quick(scored, tmp_path / "run", overwrite=True)
    mine = tmp_path / "mine"
    mine.mkdir()
    with pytest.raises(UsageError, match="leaves it alone"):
        quick(scored, mine, overwrite=True)


def test_weights_that_cannot_be_had_say_what_was_tried(scored, tmp_path):
    with pytest.raises(WeightsError, match=r"resnet50\.a1_in1k") as error:
        quick(scored, tmp_path / "run", backbone="resnet50", method="fft")
    assert "--from-scratch" in error.value.hint
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"\0" * 100)
    with pytest.raises(WeightsError, match="cannot be loaded"):
        quick(scored, tmp_path / "run", backbone="resnet50", weights=str(damaged))


@pytest.mark.parametrize("file", ["deftclean.json", "model.safetensors"])
def test_a_damaged_run_folder_is_refused(file, scored, adapted, tmp_path):
    path = shutil.copytree(adapted, tmp_path / "run") / file
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="damaged"):
        predict(tmp_path / "run", scored.images, output=tmp_path / "p.parquet", run=RUN)


def test_hostile_names_are_text_in_the_model_card(tmp_path):
    scored = make_scored(tmp_path / "s")
    table = pq.read_table(scored.table)
    metadata = dict(table.schema.metadata)
    facts = json.loads(metadata[b"deftclean"])
    hostile = "<img src=x onerror=alert(1)>|$x_{1}$\n# no"
    facts["class_names"][0] = hostile
    names = [hostile if name == "apple" else name for name in table["given_label"].to_pylist()]
    at = table.column_names.index("given_label")
    import pyarrow as pa

    table = table.set_column(at, "given_label", pa.array(names))
    metadata[b"deftclean"] = json.dumps(facts).encode()
    pq.write_table(table.replace_schema_metadata(metadata), scored.table)
    quick(scored, tmp_path / "run")
    text = (tmp_path / "run" / "README.md").read_text()
    assert "<" not in text
    assert "\n# no" not in text
