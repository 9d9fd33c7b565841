"""Whether values fit the types of settings."""

from dataclasses import fields

import pytest

from deftclean.settings.adaptation import AdaptConfig
from deftclean.settings.checks import misfit
from deftclean.settings.detector import DetectorConfig


@pytest.mark.parametrize("settings", [DetectorConfig, AdaptConfig])
def test_every_default_fits_and_a_list_never_does(settings):
    for each in fields(settings):
        default = getattr(settings(), each.name)
        assert default is None or misfit(settings, each.name, default) is None
        assert misfit(settings, each.name, [default]).startswith(f"{each.name} must be ")


def test_by_hand():
    """The values of the docstring."""
    assert misfit(DetectorConfig, "epochs", 1.5) == "epochs must be a whole number, not 1.5"
    assert misfit(DetectorConfig, "epochs", True) == "epochs must be a whole number, not True"
    assert misfit(DetectorConfig, "lr", 1) is None
    assert misfit(DetectorConfig, "clip_grad", "x") == "clip_grad must be a number, not 'x'"
    assert misfit(DetectorConfig, "decode", "slow") == (
        "decode must be one of exact, fast, not 'slow'"
    )
