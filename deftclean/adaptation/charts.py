"""Pictures of a training: its learning curve, and which classes are taken for which."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_CLASSES = 30
_LONGEST_NAME = 18


def learning_curve(path: Path, epochs: Sequence[dict[str, Any]]) -> None:
    """Write a PNG: loss, and where something was tested accuracy, by epoch.

    Args:
        path: the file.
        epochs: with `epoch`, `loss` and `accuracy` (or None).
    """
    from matplotlib.ticker import MaxNLocator

    figure = _figure(6.4, 4.0)
    axes = figure.subplots()
    numbers = [epoch["epoch"] for epoch in epochs]
    axes.plot(numbers, [epoch["loss"] for epoch in epochs], color="tab:blue", marker="o")
    axes.set_xlabel("epoch")
    axes.set_ylabel("training loss", color="tab:blue")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    tested = [(epoch["epoch"], epoch["accuracy"]) for epoch in epochs]
    tested = [(number, 100 * value) for number, value in tested if value is not None]
    if tested:
        other = axes.twinx()
        other.plot(*zip(*tested, strict=True), color="tab:red", marker="s")
        other.set_ylabel("test accuracy, %", color="tab:red")
    _save(figure, path)


def confusion_picture(path: Path, confusion: NDArray[np.int64], class_names: Sequence[str]) -> None:
    """Write a PNG: of the rows of each class, the share that was given each class.

    Of more than 30 classes, those that are most often confused.

    Args:
        path: the file.
        confusion: (K, K) rows by label and predicted class.
        class_names: K.
    """
    chosen = _most_confused(confusion)
    part = confusion[np.ix_(chosen, chosen)]
    shares = 100 * part / np.maximum(confusion[chosen].sum(axis=1, keepdims=True), 1)
    size = 3.0 + 0.32 * len(chosen)
    figure = _figure(size + 1, size)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    glyphs = _glyphs()
    names = [_shown(class_names[index], glyphs) for index in chosen]
    places = np.arange(len(chosen))
    axes.set_xticks(places, names, rotation=90, fontsize=8, parse_math=False)
    axes.set_yticks(places, names, fontsize=8, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("label")
    if len(chosen) < len(class_names):
        axes.set_title(f"the {len(chosen)} most confused of {len(class_names):,} classes")
    if len(chosen) <= _MOST_CLASSES // 2:
        for row, column in np.ndindex(shares.shape):
            if shares[row, column] >= 0.5:
                colour = "white" if shares[row, column] > 55 else "black"
                text = f"{shares[row, column]:.0f}"
                axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=7)
    figure.colorbar(image, label="% of the rows with the label", shrink=0.8)
    _save(figure, path)


def _most_confused(confusion: NDArray[np.int64]) -> NDArray[np.int64]:
    wrong = confusion - np.diag(confusion.diagonal())
    part = wrong.sum(axis=0) + wrong.sum(axis=1)
    return np.sort(np.argsort(-part, kind="stable")[:_MOST_CLASSES])


def _shown(name: str, glyphs: frozenset[int]) -> str:
    """A class name that the font can draw."""
    plain = "".join(c if c.isprintable() and ord(c) in glyphs else "?" for c in name)
    return plain if len(plain) <= _LONGEST_NAME else plain[: _LONGEST_NAME - 1] + "…"


def _glyphs() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties())).get_charmap())


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def _save(figure: "Figure", path: Path) -> None:
    # Without the version of the library, the same figures give the same bytes.
    figure.savefig(path, format="png", metadata={"Software": None})
