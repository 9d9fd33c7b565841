"""What the settings of both phases have in common."""

from dataclasses import fields

import pytest

from deftclean.core.fields import setting_of
from deftclean.settings.adaptation import AdaptConfig
from deftclean.settings.detector import DetectorConfig
from deftclean.settings.training import TrainingConfig

# Tables, detectors and run folders hold settings in this order; another one is other bytes.
WRITTEN = {
    DetectorConfig: "tuner prompt_length rank bottleneck tower_lr_share context_length "
    "class_position class_specific lr momentum weight_decay batch_size epochs warmup pseudo_start "
    "positive_weight rule warmup_loss schedule crop flip clip_grad seed decode train_on "
    "micro_batch",
    AdaptConfig: "method loss optimiser lr momentum weight_decay epochs batch_size micro_batch "
    "schedule augmentation flip image_size clip_grad tuner prompt_length rank bottleneck "
    "tower_lr_share context_length seed decode",
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_the_order_in_which_settings_are_written(kind):
    assert list(kind().as_dict()) == WRITTEN[kind].split()


@pytest.mark.parametrize("kind", WRITTEN)
def test_every_field_has_its_place_in_that_order(kind):
    assert sorted(kind.written) == sorted(each.name for each in fields(kind))


def test_defaults_differ_where_they_are_meant_to():
    detector, adaptation = DetectorConfig().as_dict(), AdaptConfig().as_dict()
    shared = [each.name for each in fields(TrainingConfig)]
    assert len(shared) == 16
    assert {name for name in shared if detector[name] != adaptation[name]} == {"lr"}
    assert (detector["lr"], adaptation["lr"]) == (3e-2, 1e-2)


@pytest.mark.parametrize("name", [each.name for each in fields(TrainingConfig)])
def test_bounds_and_flags_are_the_same_for_both(name):
    ours, theirs = (
        next(setting_of(each) for each in fields(kind) if each.name == name)
        for kind in (DetectorConfig, AdaptConfig)
    )
    assert (ours.bounds, ours.flags, ours.preset) == (theirs.bounds, theirs.flags, theirs.preset)
