"""Pictures of a training: they are drawn, repeat, and take any class name."""

import numpy as np
import pytest
from PIL import Image

from deftclean.adaptation.charts import confusion_picture, learning_curve

EPOCHS = [{"epoch": n, "loss": 2 / n, "accuracy": 0.5 + n / 10} for n in (1, 2, 3)]


def ink(path):
    with Image.open(path) as picture:
        return float((np.asarray(picture.convert("L")) < 128).mean())


@pytest.mark.parametrize("accuracy", [0.5, None])
def test_a_learning_curve_repeats(tmp_path, accuracy):
    epochs = [{**epoch, "accuracy": accuracy} for epoch in EPOCHS]
    for name in ("a.png", "b.png"):
        learning_curve(tmp_path / name, epochs)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert ink(tmp_path / "a.png") > 0.002


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_a_confusion_picture_of_any_size(tmp_path, classes):
    confusion = np.random.default_rng(0).integers(0, 9, (classes, classes))
    confusion_picture(tmp_path / "c.png", confusion, [f"class_{i}" for i in range(classes)])
    with Image.open(tmp_path / "c.png") as picture:
        assert max(picture.size) < 2000


def test_names_that_no_font_has_are_drawn_as_text(tmp_path):
    names = ["$x_{1}$", "猫", "a\nb", "x" * 200, "", "<b>", "🐱", "\x00"]
    confusion_picture(tmp_path / "c.png", np.eye(8, dtype=np.int64), names)
    assert ink(tmp_path / "c.png") > 0.01


def test_a_class_without_rows(tmp_path):
    """It is left white; the cell of one that has rows is dark."""
    confusion_picture(tmp_path / "none.png", np.zeros((2, 2), dtype=np.int64), ["a", "b"])
    confusion_picture(tmp_path / "one.png", np.array([[3, 0], [0, 0]]), ["a", "b"])
    assert 0.001 < ink(tmp_path / "none.png") < ink(tmp_path / "one.png")
