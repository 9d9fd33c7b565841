"""What folders say of how their pictures are to be."""

import pytest

from deftclean.models.preprocessing import refuse_preprocess

GOOD = {
    "size": [64, 64],
    "mean": [0.48, 0.46, 0.41],
    "std": [0.27, 0.26, 0.28],
    "interpolation": "bicubic",
    "resize_mode": "squash",
    "fill_color": 0,
    "crop_pct": 0.875,
}


def test_what_models_say():
    refuse_preprocess(GOOD)
    refuse_preprocess({**GOOD, "size": (224, 256), "interpolation": "bilinear", "more": "x"})
    refuse_preprocess({name: GOOD[name] for name in GOOD if name != "crop_pct"})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("size", [[], [64], [64, 64, 64], [64, 0], [64.5, 64], [2**63, 64], "64", None, 64]),
        ("mean", [[], [0.1, 0.2], [0.1, 0.2, "x"], [0.1, 0.2, float("nan")], None]),
        ("std", [[0.1, 0.2, 0], [0.1, 0.2, float("inf")], [1, 1, 10**400], {}, [True] * 3]),
        ("interpolation", ["x", None, 3, []]),
        ("resize_mode", ["x", "", False]),
        ("fill_color", [-1, 256, "0", 1.5, None]),
        ("crop_pct", [0, -1, 1.5, 1e-9, "x", None]),
    ],
)
def test_what_no_picture_can_be_is_named(name, values):
    for value in values:
        with pytest.raises(ValueError, match=rf"^'{name}' is "):
            refuse_preprocess({**GOOD, name: value})
    if name != "crop_pct":
        with pytest.raises(ValueError, match=f"'{name}' is None"):
            refuse_preprocess({key: GOOD[key] for key in GOOD if key != name})
