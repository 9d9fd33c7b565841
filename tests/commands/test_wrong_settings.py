"""Settings given from Python: wrong names and values are told before anything is read."""

import numpy as np
import pytest

import deftclean
from deftclean.core.errors import UsageError
from deftclean.settings.checks import refuse_unfit
from deftclean.settings.detector import DetectorConfig


@pytest.mark.parametrize("strategy", ["evidence", "deft", "knn"])
def test_scan_names_every_wrong_setting_and_what_was_meant(strategy, tmp_path):
    wrong = {"epoch": 1, "batch-size": 8, "zzz": 1, "flip": "no"}
    with pytest.raises(UsageError) as caught:
        deftclean.scan(tmp_path / "none", strategy=strategy, settings=wrong)
    for text in (
        "no setting 'epoch' (did you mean 'epochs'?)",
        "no setting 'batch-size' (did you mean 'batch_size'",
        "no setting 'zzz';",
        "flip must be true or false, not 'no'",
    ):
        assert text in caught.value.message
    assert "fields of DetectorConfig" in caught.value.hint


def test_adapt_names_every_wrong_setting_and_what_was_meant(tmp_path):
    with pytest.raises(UsageError) as caught:
        deftclean.adapt(tmp_path / "none", settings={"optimizer": "sgd", "epochs": 1.5})
    assert "no setting 'optimizer' (did you mean 'optimiser'?)" in caught.value.message
    assert "epochs must be a whole number, not 1.5" in caught.value.message


def test_settings_that_fit_pass():
    refuse_unfit(DetectorConfig, {"epochs": np.int64(3), "lr": 1, "seed": None, "tuner": "none"})
