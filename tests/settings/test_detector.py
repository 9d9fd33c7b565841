import json
from typing import Any

import pytest

from deftclean.core.errors import UsageError
from deftclean.settings.detector import MIN_WARMUP_STEPS, PRESETS, DetectorConfig, Noise, resolve


def test_presets_are_the_papers() -> None:
    synthetic = DetectorConfig(
        tuner="vpt-deep", prompt_length=20, rank=8, bottleneck=8,
        tower_lr_share=None, context_length=16, class_position="end",
        class_specific=False, lr=3e-2, momentum=0.9, weight_decay=5e-4, batch_size=64, epochs=10,
        warmup=1, pseudo_start=2, positive_weight=1.0, rule="threshold", warmup_loss="ce",
        schedule="cosine", crop=True, flip=True, clip_grad=None, seed=0,
    )  # fmt: skip
    assert PRESETS["synthetic"] == synthetic
    changed = {
        noise: {k: v for k, v in preset.as_dict().items() if v != synthetic.as_dict()[k]}
        for noise, preset in PRESETS.items()
    }
    assert changed == {
        "synthetic": {},
        "severe": {"lr": 1e-2, "positive_weight": 0.25},
        "real": {"warmup": 5, "rule": "agree", "warmup_loss": "sce"},
    }


# Steps an epoch: ceil(rows / batch); warm-up and the rest get at least 80 steps each.
@pytest.mark.parametrize(
    ("noise", "rows", "warmup", "epochs", "pseudo_start"),
    [
        ("synthetic", 1_000, 5, 10, 6),  # 16 steps
        ("synthetic", 6_000, 1, 10, 2),  # 94 steps
        ("synthetic", 5_120, 1, 10, 2),  # 80 steps exactly
        ("synthetic", 5_056, 2, 10, 3),  # 79 steps
        ("synthetic", 100, 40, 80, 41),  # 2 steps
        ("synthetic", 1, 80, 160, 81),
        ("synthetic", 960, 6, 12, 7),  # 15 steps
        ("severe", 1_000, 5, 10, 6),
        ("real", 6_000, 5, 10, 2),  # within warm-up
        ("real", 1_000, 5, 10, 6),
        ("real", 500, 10, 20, 11),  # 8 steps
        ("real", 50_000, 5, 10, 2),
    ],
)
def test_presets_grow_on_few_rows(
    noise: Noise, rows: int, warmup: int, epochs: int, pseudo_start: int
) -> None:
    resolved = resolve(noise, {}, rows)
    config = resolved.config
    assert (config.warmup, config.epochs, config.pseudo_start) == (warmup, epochs, pseudo_start)
    grew = (warmup, epochs) != (PRESETS[noise].warmup, PRESETS[noise].epochs)
    assert len(resolved.notes) == grew
    assert not resolved.warmup_is_fixed
    assert resolved.warnings == ()


def test_growth_is_said_in_words() -> None:
    assert resolve("synthetic", {}, 1_000).notes == (
        "1,000 rows are 16 steps an epoch: 10 epochs, 5 of them warm-up, so that each part has "
        "at least 80 steps",
    )
    assert MIN_WARMUP_STEPS == 80


@pytest.mark.parametrize(
    ("given", "warmup", "epochs", "pseudo_start"),
    [
        ({"warmup": 1}, 1, 10, 2),
        ({"warmup": 8}, 8, 13, 9),
        ({"warmup": 0}, 0, 10, 2),
        ({"epochs": 4}, 2, 4, 3),
        ({"epochs": 40}, 5, 40, 6),
        ({"epochs": 3, "warmup": 1}, 1, 3, 2),
        ({"pseudo_start": 2}, 5, 10, 2),
        ({"pseudo_start": 9}, 5, 10, 9),
        ({"batch_size": 8}, 1, 10, 2),
        ({"batch_size": 1_000}, 80, 160, 81),
        ({"warmup": None, "epochs": None}, 5, 10, 6),
    ],
)
def test_what_the_user_gives_wins(
    given: dict[str, Any], warmup: int, epochs: int, pseudo_start: int
) -> None:
    resolved = resolve("synthetic", given, 1_000)
    config = resolved.config
    assert (config.warmup, config.epochs, config.pseudo_start) == (warmup, epochs, pseudo_start)
    fixed = any(given.get(name) is not None for name in ("warmup", "epochs"))
    assert resolved.warmup_is_fixed is fixed


def test_every_other_setting_can_be_given() -> None:
    given = {
        "tuner": "vpt-shallow", "prompt_length": 3, "rank": 2, "bottleneck": 5,
        "tower_lr_share": 0.5, "context_length": 4, "class_position": "front",
        "class_specific": True, "lr": 0.5, "momentum": 0.0, "weight_decay": 0.0, "batch_size": 32,
        "epochs": 7, "warmup": 2, "pseudo_start": 4, "positive_weight": 0.0, "rule": "agree",
        "warmup_loss": "sce", "schedule": "constant", "crop": False, "flip": False,
        "clip_grad": 1.0, "seed": 5, "decode": "fast", "train_on": 500, "micro_batch": 8,
    }  # fmt: skip
    assert set(given) == set(DetectorConfig().as_dict())
    config = resolve("severe", given, 10_000).config
    assert config.as_dict() == given
    assert json.loads(json.dumps(config.as_dict())) == given


@pytest.mark.parametrize(("warmup", "epochs"), [(3, 3), (5, 2)])
def test_warm_up_to_the_end_is_warned_of(warmup: int, epochs: int) -> None:
    resolved = resolve("synthetic", {"warmup": warmup, "epochs": epochs}, 1_000)
    assert (resolved.config.warmup, resolved.config.epochs) == (warmup, epochs)
    (warning,) = resolved.warnings
    assert warning.startswith(f"warm-up ({warmup}) covers all {epochs} epochs")
    assert "--warmup" in warning
    assert "--epochs" in warning


def test_few_epochs_of_the_real_preset_are_warned_of() -> None:
    resolved = resolve("real", {"epochs": 4}, 50_000)
    assert resolved.config.warmup == 5
    assert len(resolved.warnings) == 1


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [
        ("prompt_length", 0, "at least 1"),
        ("context_length", -1, "at least 1"),
        ("batch_size", 0, "at least 1"),
        ("epochs", 0, "at least 1"),
        ("pseudo_start", 0, "at least 1"),
        ("lr", 0.0, "above 0"),
        ("momentum", 1.0, "in [0, 1)"),
        ("momentum", -0.1, "in [0, 1)"),
        ("weight_decay", -1.0, "0 or more"),
        ("warmup", -1, "0 or more"),
        ("positive_weight", -0.5, "0 or more"),
        ("clip_grad", 0.0, "above 0"),
        ("train_on", 1, "at least 2"),
        ("micro_batch", 0, "at least 1"),
        ("seed", -1, "0 or more"),
    ],
)
def test_settings_out_of_range(setting: str, value: float, wanted: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve("synthetic", {setting: value}, 1_000)
    option = f"--{setting.replace('_', '-')}"
    assert caught.value.message == f"{option} is {value}; it must be {wanted}."
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("value", [float("inf"), float("nan"), float("-inf"), 1e300])
@pytest.mark.parametrize(
    "setting", ["lr", "momentum", "weight_decay", "positive_weight", "clip_grad"]
)
def test_settings_that_are_not_finite(setting: str, value: float) -> None:
    with pytest.raises(UsageError) as caught:
        resolve("synthetic", {setting: value}, 1_000)
    assert (
        f"--{setting.replace('_', '-')} must be a finite number of 32 bits" in caught.value.message
    )


def test_all_bad_settings_are_reported_together() -> None:
    bad = {"lr": -1.0, "batch_size": 0, "momentum": 2.0, "weight_decay": float("inf"), "epochs": 5}
    with pytest.raises(UsageError) as caught:
        resolve("real", bad, 1_000)
    assert caught.value.message == (
        "--batch-size is 0; it must be at least 1; --lr is -1.0; it must be above 0; "
        "--momentum is 2.0; it must be in [0, 1); --weight-decay must be a finite number of "
        "32 bits."
    )


def test_the_towers_own_weights_learn_at_a_rate_of_their_own() -> None:
    def share(**given: Any) -> float | None:
        return resolve("synthetic", given, 10_000).config.tower_lr_share

    assert (share(tuner="bitfit"), share(tuner="fft"), share(tuner="lora")) == (0.02, 0.002, None)
    assert share(tuner="fft", tower_lr_share=0.5) == 0.5
    for wrong in (0.0, 1.5):
        with pytest.raises(UsageError, match="--tower-lr-share is"):
            share(tuner="fft", tower_lr_share=wrong)


def test_without_a_tuner_there_is_no_augmentation() -> None:
    config = resolve("synthetic", {"tuner": "none"}, 1_000).config
    assert (config.crop, config.flip) == (False, False)
    off = {"tuner": "none", "crop": False, "flip": False}
    assert resolve("synthetic", off, 1_000).config == config


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"crop": True}, "--crop cannot"),
        ({"flip": True, "crop": False}, "--flip cannot"),
        ({"crop": True, "flip": True}, "--crop and --flip cannot"),
    ],
)
def test_without_a_tuner_augmentation_is_refused(asked: dict[str, bool], named: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve("synthetic", {"tuner": "none", **asked}, 1_000)
    assert caught.value.message.startswith(f"{named} go with --tuner none")
    assert "vpt-deep" in caught.value.hint
