"""Models by every way a user can name them, and weights that are not to be trusted."""

import json
import logging
import pickle
import shutil
from typing import get_args

import open_clip
import pytest
import safetensors.torch
import torch
from open_clip.transformer import QuickGELU

import deftclean
from deftclean.core.errors import InputError, UsageError, WeightsError
from deftclean.models import weights
from deftclean.models.detector_card import DetectorCard, read_card
from deftclean.models.preprocessing import plain_preprocess
from deftclean.models.saved_detector import (
    build_detector,
    findable_name,
    load_detectors,
    portable_name,
    put_detectors,
)
from deftclean.models.weights import NANO, check_name, load_model
from deftclean.settings.detector import DetectorConfig
from deftclean.settings.training import Tuner

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def load(model, file=None, offline=True):
    said = []
    return load_model(model, file, offline, said.append), said


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """A small architecture that open_clip knows by name, as it knows ViT-B-16."""
    path = tmp_path_factory.mktemp("config") / "ViT-Tiny-test.json"
    path.write_text(json.dumps(CONFIG))
    open_clip.add_model_config(path)
    torch.manual_seed(0)
    return open_clip.create_model("ViT-Tiny-test")


def test_nano_is_built_in_and_hashed():
    loaded, said = load("nano")
    assert loaded.sha256 == load(f"local-dir:{NANO}")[0].sha256
    assert len(loaded.sha256) == 64
    assert said == []


def test_a_folder_may_be_named_without_its_prefix(tmp_path):
    shutil.copytree(NANO, tmp_path / "model")
    assert load(str(tmp_path / "model"))[0].sha256 == load("nano")[0].sha256


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_checkpoint_file_of_a_named_architecture(named, tmp_path, suffix):
    file = tmp_path / f"weights{suffix}"
    if suffix == ".pt":
        torch.save({"state_dict": named.state_dict()}, file)
    else:
        safetensors.torch.save_file({k: v.clone() for k, v in named.state_dict().items()}, file)
    loaded, _ = load("ViT-Tiny-test", str(file))
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    tower = loaded.encoder.image
    with torch.no_grad():
        wanted = named.eval().encode_image(tower.normalise(pixels), normalize=True)
        torch.testing.assert_close(tower(pixels), wanted)


def test_openai_weights_bring_quickgelu_to_the_plain_name(named, tmp_path, monkeypatch):
    """The plain configuration with those weights is wrong, and open_clip itself only warns."""
    file = tmp_path / "openai.pt"
    torch.save(named.state_dict(), file)
    tag = open_clip.get_pretrained_cfg("ViT-B-16", "openai")
    assert tag["quick_gelu"]
    monkeypatch.setattr(weights, "_tag_file", lambda *_: file)
    monkeypatch.setattr(open_clip, "list_pretrained_tags_by_model", lambda _name: ["openai"])
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda _name, _tag: tag)
    loaded, _ = load("ViT-Tiny-test")
    kinds = {type(m) for m in loaded.encoder.modules() if type(m).__name__.endswith("GELU")}
    assert kinds == {QuickGELU}
    assert loaded.encoder.preprocess["resize_mode"] == "shortest"


def test_a_file_for_a_name_with_a_quickgelu_twin_is_pointed_out(monkeypatch, tmp_path):
    said = []
    found = weights._by_name("ViT-B-16", str(tmp_path / "x.pt"), True, said.append)
    assert found.overrides == {}
    assert "--model ViT-B-16-quickgelu" in said[0]


class Evil:
    def __reduce__(self):
        return print, ("owned",)


def test_a_pickle_with_code_is_refused_and_not_run(named, tmp_path, capsys):
    file = tmp_path / "evil.pt"
    torch.save({"state_dict": Evil()}, file)
    with pytest.raises(WeightsError, match=r"evil\.pt cannot be loaded"):
        load("ViT-Tiny-test", str(file))
    file.write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(WeightsError, match=r"evil\.pt cannot be loaded"):
        load("ViT-Tiny-test", str(file))
    assert "owned" not in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_damaged_or_foreign_weights_are_refused(named, tmp_path, damage):
    file = tmp_path / "weights.safetensors"
    whole = (NANO / "open_clip_model.safetensors").read_bytes()
    file.write_bytes(whole[:1000] if damage == "cut" else whole)
    with pytest.raises(WeightsError, match="cannot be loaded as the weights of ViT-Tiny-test"):
        load("ViT-Tiny-test", str(file))


def test_a_folder_without_weights_is_refused(tmp_path):
    shutil.copy(NANO / "open_clip_config.json", tmp_path)
    with pytest.raises(WeightsError, match="no weights"):
        load(f"local-dir:{tmp_path}")


@pytest.mark.parametrize("model", ["ViT-B-16", "hf-hub:someone/something"])
def test_offline_says_what_was_tried_and_how_to_go_on(model, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError) as error:
        load(model)
    assert "Hugging Face cache" in error.value.message
    assert "--model nano" in error.value.hint


@pytest.mark.parametrize(
    ("model", "file", "message"),
    [
        ("ViT-B-61", None, "no model"),
        ("ViT-B/16", "nope", "neither a file nor a pretrained tag"),
        ("nano", "openai", "brings its own"),
        ("local-dir:gone", None, "not a model folder"),
    ],
)
def test_names_that_cannot_exist_are_refused_without_network(model, file, message):
    with pytest.raises(UsageError, match=message):
        check_name(model, file)


def card_for(model, sha256="0" * 64, config=None):
    return DetectorCard(
        format_version=1, tool_version="0", model=model, weights=None, weights_sha256=sha256,
        label_names={"cat": "cat", "dog": "dog"}, config=config or DetectorConfig(), threshold=0.5,
        epochs=[], warnings=[],
    )  # fmt: skip


@pytest.mark.parametrize("tuner", get_args(Tuner))
def test_a_detector_comes_back_as_it_was_saved(tuner, tmp_path):
    loaded, _ = load("nano")
    config = DetectorConfig(tuner=tuner, prompt_length=3, rank=2, bottleneck=5, seed=4)
    card = card_for("nano", loaded.sha256, config)
    detector = build_detector(loaded.encoder, card.class_names, config)
    with torch.no_grad():  # away from the start values, which would come back by themselves
        for parameter in detector.parameters():
            if parameter.requires_grad:
                parameter.add_(0.25)
    (tmp_path / "x.detector").mkdir()
    put_detectors([detector], card, {}, tmp_path / "x.detector")
    assert read_card(tmp_path / "x.detector") == card
    written = json.loads((tmp_path / "x.detector" / "detector.json").read_text())
    assert list(written["config"]) == list(config.as_dict())  # in its own order, not the class's
    stored = safetensors.torch.load_file(tmp_path / "x.detector" / "detector.safetensors")
    (again,) = load_detectors(tmp_path / "x.detector", card, loaded)
    assert stored.keys() == detector.trained_tensors().keys()
    for name, tensor in detector.trained_tensors().items():
        assert torch.equal(tensor, again.trained_tensors()[name])


def test_a_detector_from_before_there_were_other_tuners_is_read(tmp_path):
    loaded, _ = load("nano")
    card = card_for("nano", loaded.sha256, DetectorConfig())
    detector = build_detector(loaded.encoder, card.class_names, card.config)
    (tmp_path / "x.detector").mkdir()
    put_detectors([detector], card, {}, tmp_path / "x.detector")
    path = tmp_path / "x.detector" / "detector.json"
    values = json.loads(path.read_text())
    for name in ("rank", "bottleneck"):
        del values["config"][name]
    path.write_text(json.dumps(values))
    assert read_card(tmp_path / "x.detector") == card


def test_other_weights_than_it_was_trained_with_are_refused(tmp_path):
    loaded, _ = load("nano")
    card = card_for("nano")
    with pytest.raises(WeightsError, match="trained with other weights"):
        load_detectors(tmp_path, card, loaded)


def test_a_damaged_detector_is_refused(tmp_path):
    loaded, _ = load("nano")
    card = card_for("nano", loaded.sha256)
    (tmp_path / "detector.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="is damaged"):
        load_detectors(tmp_path, card, loaded)
    (tmp_path / "detector.json").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        read_card(tmp_path)


def test_a_model_folder_is_named_relative_to_the_detector(tmp_path, monkeypatch):
    shutil.copytree(NANO, tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "out" / "x.detector"
    model, _ = portable_name("local-dir:model", None, folder)
    assert model == "local-dir:../../model"
    folder.mkdir(parents=True)
    found, _ = findable_name(model, None, folder)
    assert load(found)[0].sha256 == load("nano")[0].sha256


# ---------------------------------------------------------------- preprocessing, before weights


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("ViT-B-16", "openai"),
        ("ViT-B-32", "laion2b_s34b_b79k"),
        ("ViT-B-32-256", "datacomp_s34b_b86k"),
        ("RN50", "openai"),
        ("EVA02-B-16", "merged2b_s8b_b131k"),
        ("ViT-B-16-plus-240", "laion400m_e32"),
    ],
)
def test_preprocessing_is_foretold_as_open_clip_builds_it(name, tag, monkeypatch, tmp_path):
    """With the weights left out: what is foretold must not depend on them."""
    create, seen = open_clip.create_model, []

    def without_weights(name, **options):
        options = {k: v for k, v in options.items() if k.startswith("force")}
        with torch.device("meta"):
            model = create(
                name, load_weights=False, pretrained_text=False, device="meta", **options
            )
        seen.append(plain_preprocess(model.visual.preprocess_cfg))
        raise RuntimeError("enough")

    monkeypatch.setattr(open_clip, "create_model", without_weights)
    monkeypatch.setattr(weights, "_tag_file", lambda *_: tmp_path)
    (tmp_path / "weights.pt").touch()
    for file in (tag, str(tmp_path / "weights.pt")):
        with pytest.raises(WeightsError, match="enough"):
            load(name, file)
        assert weights.preprocess_of(name, file, True, print) == seen.pop()


def test_preprocessing_of_folders_and_hub_models(tmp_path, monkeypatch):
    own = load("nano")[0].encoder.preprocess
    assert weights.preprocess_of("nano", None, True, print) == own
    assert own["size"] == (64, 64)
    config = json.loads((NANO / "open_clip_config.json").read_text())
    config["preprocess_cfg"] = {"resize_mode": "longest", "fill_color": 7, "size": [9, 9]}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    shutil.copy(NANO / "open_clip_model.safetensors", tmp_path)
    foretold = weights.preprocess_of(f"local-dir:{tmp_path}", None, True, print)
    assert foretold == load(f"local-dir:{tmp_path}")[0].encoder.preprocess
    assert (foretold["resize_mode"], foretold["size"]) == ("longest", (64, 64))
    file = tmp_path / "open_clip_config.json"
    monkeypatch.setattr(weights, "hub_file", lambda *_: file)
    assert weights.preprocess_of("hf-hub:a/b", None, True, print) == foretold
    file.write_text("{}")
    with pytest.raises(UsageError, match="cannot be read as a model's configuration"):
        weights.preprocess_of(f"local-dir:{tmp_path}", None, True, print)


# ---------------------------------------------------------------- what is refused, before weights


@pytest.mark.parametrize(
    ("model", "weights", "reason"),
    [
        ("coca_ViT-B-32", "laion2b_s13b_b90k", "CoCa has no open_clip text transformer"),
        ("MobileCLIP-S1", "datacompdr", "its text tower is not causal"),
        ("ViT-B-16-SigLIP", "webli", "another library's"),
        ("xlm-roberta-base-ViT-B-32", "laion5b_s13b_b90k", "another library's"),
        ("RN50", "openai", "its image tower is ModifiedResNet"),
        ("EVA02-B-16", "merged2b_s8b_b131k", "its image tower is TimmModel"),
    ],
)
def test_an_unsuitable_model_is_refused_before_weights_and_pictures(
    model, weights, reason, folder, monkeypatch
):
    """Nothing of it is on this machine, and no picture has been opened."""
    monkeypatch.setattr("deftclean.images.prepared.check_images", None)
    run = deftclean.RunOptions(model=model, weights=weights, offline=True)
    with pytest.raises(UsageError, match=reason):
        deftclean.scan(folder, output=folder.parent / "clean.parquet", run=run)


def test_a_name_that_is_too_long_is_refused_before_weights_and_pictures(folder, monkeypatch):
    monkeypatch.setattr("deftclean.images.prepared.check_images", None)
    (folder / "apple").rename(folder / " ".join("abcdefghij" * 7))
    run = deftclean.RunOptions(model="ViT-B-16", offline=True)
    with pytest.raises(UsageError, match="a b c d e"):
        deftclean.scan(folder, output=folder.parent / "clean.parquet", run=run)


def test_an_outline_has_the_models_shape(caplog):
    outline, real = weights.outline_of("nano", None, True, print), load("nano")[0].encoder
    assert outline.preprocess == real.preprocess
    shapes = {name: value.shape for name, value in real.state_dict().items()}
    assert {name: value.shape for name, value in outline.state_dict().items()} == shapes
    assert {value.device.type for value in outline.state_dict().values()} == {"meta"}
    assert caplog.records == []
    logging.warning("heard again")
    assert len(caplog.records) == 1
