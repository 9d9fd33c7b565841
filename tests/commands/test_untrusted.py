"""Models, detectors and run folders by others: no fetching, no code, no numbers that are none."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch

import deftclean
from deftclean import AdaptOptions, RunOptions
from deftclean.adaptation.predict import PREDICTION_SCHEMA
from deftclean.core.arrow_types import refuse_nan
from deftclean.core.errors import DeftcleanError, InputError, RunError, UsageError, WeightsError
from deftclean.experiments.results import RESULT_SCHEMA, Results
from deftclean.models.weights import NANO, load_model
from deftclean.table.scores import SCORE_SCHEMA, ScoreTable, read_scores, write_scores
from tests.support.processes import run_code

RUN = RunOptions(model="nano", workers=0, offline=True, device="cpu", cache=False)


@pytest.fixture(scope="module")
def scanned(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of the published method and its detector."""
    home = tmp_path_factory.mktemp("scanned")
    settings = {"epochs": 1, "warmup": 0}
    deftclean.scan(pictures, output=home / "t.parquet", strategy="deft", settings=settings, run=RUN)
    return home


@pytest.fixture
def detector(scanned: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(scanned / "t.detector", tmp_path / "detector"))


def spoil(file: Path, value: float) -> None:
    tensors = safetensors.torch.load_file(file)
    name = sorted(tensors)[0]
    tensors[name].view(-1)[0] = value
    safetensors.torch.save_file(tensors, file)


def edit(file: Path, **values: Any) -> None:
    card = json.loads(file.read_text())
    file.write_text(json.dumps({**card, **values}))


# ---------------------------------------------------------------- numbers that are none


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_detector_that_holds_no_numbers_is_refused(
    detector: Path, pictures: Path, tmp_path: Path, value: float
) -> None:
    spoil(detector / "detector.safetensors", value)
    with pytest.raises(InputError, match="is damaged: NaN or infinity in tensor"):
        deftclean.score(detector, pictures, output=tmp_path / "s.parquet", run=RUN)
    assert not (tmp_path / "s.parquet").exists()


def test_numbers_too_large_to_compute_with_reach_no_table(
    detector: Path, pictures: Path, tmp_path: Path
) -> None:
    """Finite in the file, and not in what is made of them."""
    file = detector / "detector.safetensors"
    tensors = safetensors.torch.load_file(file)
    huge = {name: torch.full_like(tensor, 3e38) for name, tensor in tensors.items()}
    safetensors.torch.save_file(huge, file)
    with pytest.raises(RunError, match="NaN or infinity"):
        deftclean.score(detector, pictures, output=tmp_path / "s.parquet", run=RUN)
    assert not (tmp_path / "s.parquet").exists()


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_a_model_that_holds_no_numbers_is_refused(tmp_path: Path, value: float) -> None:
    folder = Path(shutil.copytree(NANO, tmp_path / "model"))
    (file,) = folder.glob("*.safetensors")
    spoil(file, value)
    with pytest.raises(WeightsError, match="NaN or infinity in tensor"):
        load_model(str(folder), None, True, lambda _text: None)


COLUMNS = [
    (schema, field.name)
    for schema in (SCORE_SCHEMA, PREDICTION_SCHEMA, RESULT_SCHEMA)
    for field in schema
    if pa.types.is_floating(field.type)
]


@pytest.mark.parametrize(("schema", "column"), COLUMNS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_column_of_ours_takes_what_is_no_number(
    schema: pa.Schema, column: str, value: float
) -> None:
    table = pa.Table.from_pylist([{}, {column: value}, {column: 0.5}], schema=schema)
    with pytest.raises(RunError, match=f"1 of 3 rows have no number in {column}"):
        refuse_nan(table, schema.names)
    refuse_nan(table.slice(2), schema.names)


def test_every_writer_asks_first(scanned: Path, tmp_path: Path) -> None:
    scores = read_scores(scanned / "t.parquet")
    at = scores.table.column_names.index("clean_prob")
    wrong = pa.array([float("nan")] * len(scores.table), pa.float32())
    table = scores.table.set_column(at, SCORE_SCHEMA.field("clean_prob"), wrong)
    with pytest.raises(RunError, match="no number in clean_prob"):
        write_scores(ScoreTable(table, scores.metadata), tmp_path / "w.parquet", tmp_path, False)
    result = {field.name: None for field in RESULT_SCHEMA}
    floating = next(f.name for f in RESULT_SCHEMA if pa.types.is_floating(f.type))
    with pytest.raises(RunError, match=f"no number in {floating}"):
        Results(tmp_path / "r.parquet", ({**result, floating: float("nan")},)).write()
    assert list(tmp_path.iterdir()) == []


def test_no_table_of_a_whole_run_holds_what_is_no_number(scanned: Path) -> None:
    table = pq.read_table(scanned / "t.parquet")
    refuse_nan(table, table.column_names)


# ---------------------------------------------------------------- fetching


GUARD = """
    import socket, sys, json
    from pathlib import Path
    tried = []
    def refuse(*arguments, **_):
        tried.append(str(arguments[-1]))
        raise OSError("no network here")
    socket.socket.connect = socket.socket.connect_ex = refuse
    socket.getaddrinfo = socket.create_connection = socket.gethostbyname = refuse
    from deftclean.cli import main
    code = main.run(sys.argv[1:])
    print(json.dumps([code, tried]))
"""


def guarded(*arguments: object, cwd: Path) -> tuple[int, list[str], str]:
    """The command line in a process without network: its code, what it tried, what it said."""
    found = run_code(GUARD, *arguments, "--device", "cpu", "--workers", 0, "--no-cache", cwd=cwd)
    code, tried = json.loads(found.stdout.splitlines()[-1])
    return code, tried, found.stderr


@pytest.fixture(scope="module")
def adapted(scanned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of a timm model."""
    home = tmp_path_factory.mktemp("adapted")
    deftclean.adapt(
        scanned / "t.parquet",
        output=home / "run",
        backbone="nano",
        settings={"epochs": 1},
        options=AdaptOptions(everything=True),
        run=RUN,
    )
    return home / "run"


@pytest.mark.usefixtures("empty_hub")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "hf-hub:timm/resnet18.a1_in1k"}, "no model 'hf-hub:"),
        ({"architecture": "hf_hub:timm/resnet18.a1_in1k"}, "no model 'hf_hub:"),
        ({"architecture": "local-dir:/tmp"}, "no model 'local-dir:"),
        ({"arguments": {"pretrained": True}}, "arguments pretrained say more"),
        ({"arguments": {"pretrained_cfg": {"url": "http://x"}}}, "arguments pretrained_cfg say"),
        ({"arguments": {"pretrained_cfg_overlay": {"hf_hub_id": "a/b"}}}, "say more"),
        ({"arguments": {"checkpoint_path": "/tmp/x.pth"}}, "arguments checkpoint_path say"),
        ({"arguments": {"cache_dir": "/tmp"}}, "arguments cache_dir say"),
        ({"arguments": {"img_size": "x"}}, "timm cannot build"),
        ({"arguments": {"no_such": 1}}, "timm cannot build"),
        ({"architecture": None, "model": "hf-hub:evil/model"}, "not fetched by itself"),
        ({"architecture": None, "model": "ViT-B-16", "weights": "openai"}, "not fetched by itself"),
        ({"architecture": None, "model": "no such"}, "There is no model"),
    ],
)
@pytest.mark.parametrize("offline", [True, False])
def test_a_run_folder_names_nothing_that_is_fetched(
    adapted: Path, tmp_path: Path, changes: dict[str, Any], message: str, offline: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = Path(shutil.copytree(adapted, tmp_path / "run"))
    edit(folder / "deftclean.json", **changes)
    with pytest.raises(DeftcleanError) as caught:
        deftclean.load_classifier(folder, offline=offline)
    assert message in caught.value.message


@pytest.mark.usefixtures("empty_hub")
@pytest.mark.parametrize("model", ["hf-hub:evil/model", "ViT-B-16"])
def test_a_detector_names_nothing_that_is_fetched(
    detector: Path, pictures: Path, tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    edit(detector / "detector.json", model=model)
    with pytest.raises(WeightsError, match="is not fetched by itself") as caught:
        deftclean.score(
            detector, pictures, output=tmp_path / "s.parquet", run=RunOptions(workers=0)
        )
    assert f"--model {model}" in caught.value.hint


def clip_folder(path: Path, **parts: dict[str, Any]) -> str:
    shutil.copytree(NANO, path)
    file = path / "open_clip_config.json"
    config = json.loads(file.read_text())
    for part, values in parts.items():
        config["model_cfg"][part] = {**config["model_cfg"].get(part, {}), **values}
    file.write_text(json.dumps(config))
    return f"local-dir:{path}"


@pytest.mark.parametrize(
    "parts",
    [
        {"text_cfg": {"hf_tokenizer_name": "evil/tokenizer"}},
        {"text_cfg": {"hf_model_name": "evil/model"}},
        {"multimodal_cfg": {"hf_model_name": "evil/model"}},
        {"vision_cfg": {"timm_model_name": "hf-hub:evil/model"}},
        {"vision_cfg": {"timm_model_name": "hf_hub:evil/model"}},
        {"vision_cfg": {"timm_model_name": "local-dir:/tmp"}},
        {"vision_cfg": {"timm_model_name": "resnet18", "timm_model_pretrained": True}},
    ],
)
def test_a_model_folder_names_nothing_that_is_fetched(
    tmp_path: Path, parts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    name = clip_folder(tmp_path / "model", **parts)
    with pytest.raises(UsageError, match=r"another library's|fetched from elsewhere"):
        load_model(name, None, True, lambda _text: None)


def test_a_folder_of_weights_says_nothing_but_the_shape(adapted: Path, tmp_path: Path) -> None:
    from deftclean.models.backbones import find_backbone, load_backbone

    folder = Path(shutil.copytree(adapted, tmp_path / "run"))
    architecture = json.loads((folder / "config.json").read_text())["architecture"]
    edit(folder / "config.json", model_args={"pretrained": True})
    with pytest.raises(UsageError, match="arguments pretrained say more than the model's shape"):
        load_backbone(
            find_backbone(architecture, str(folder), False, None), 3, 0, True, lambda _text: None
        )


@pytest.mark.slow
@pytest.mark.usefixtures("empty_hub")
def test_offline_means_no_connection_at_all(
    adapted: Path, scanned: Path, pictures: Path, tmp_path: Path
) -> None:
    """Each command in a process that notes every attempt."""
    folder = Path(shutil.copytree(adapted, tmp_path / "run"))
    detector = Path(shutil.copytree(scanned / "t.detector", tmp_path / "detector"))
    for command in (("predict", folder, pictures), ("score", detector, pictures)):
        output = f"{command[0]}.parquet"
        found = guarded(*command, "--offline", "-o", output, cwd=tmp_path)
        assert found[:2] == (0, []), found
    edit(folder / "deftclean.json", architecture=None, model="hf-hub:evil/model")
    edit(detector / "detector.json", model="hf-hub:evil/model")
    other = clip_folder(tmp_path / "model", vision_cfg={"timm_model_name": "hf-hub:evil/model"})
    for command in (
        ("predict", folder, pictures),
        ("score", detector, pictures),
        ("scan", pictures, "--model", other),
        ("scan", pictures, "--model", "hf-hub:evil/model"),
        ("scan", pictures, "--model", "ViT-B-16"),
        ("predict", folder, pictures, "--model", "hf-hub:evil/model"),
    ):
        code, tried, said = guarded(*command, "--offline", "-o", "o.parquet", cwd=tmp_path)
        assert (code in (2, 3), tried) == (True, []), said
        assert "Traceback" not in said
