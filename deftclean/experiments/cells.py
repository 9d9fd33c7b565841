"""What `bench` runs: cells, each one choice of data, noise, way of selecting rows, and seed.

Plain values; knows neither how a cell is run nor where its data lie.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from deftclean.settings.adaptation import Method
from deftclean.settings.detector import Noise

CellNoise = Literal["given", "symmetric", "instance-dependent"]
Metric = Literal["precision", "recall", "f1", "accuracy_best", "accuracy_last"]

NOISE_RATIO = "noise_ratio"
"""The one setting of a selection that is an argument of `scan` itself: what small-loss is told."""


@dataclass(frozen=True)
class LabelledData:
    """Which pictures, and which labels they are given.

    Attributes:
        name: of a public data set, or one that a grid file declares.
        noise: `given`: the labels as they are; otherwise noise is put into the true ones.
        ratio: of that noise, in [0, 1]; None with `given`.
    """

    name: str
    noise: CellNoise = "given"
    ratio: float | None = None


@dataclass(frozen=True)
class Selection:
    """How rows are selected: one scan.

    Attributes:
        strategy: of `scan`.
        preset: of `scan`, `--noise`.
        model: of `scan`.
        settings: fields of `DetectorConfig` that differ from the preset, and `NOISE_RATIO`.
    """

    strategy: str
    preset: Noise
    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Adaptation:
    """What is trained on the rows that were selected: one adaptation.

    Attributes:
        backbone: of `adapt`.
        method: of `adapt`.
        settings: fields of `AdaptConfig` that differ from the recipe.
    """

    backbone: str
    method: Method
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        grid: `table1`, ..., or the name of a grid file's table.
        column: heading of its column, such as `CIFAR-100, Sym. 0.2`.
        method: heading of its row, such as `DEFT` or `GMM w/ FFT`.
        data: pictures and labels.
        selection: None to learn from all rows.
        adaptation: None where the table is about the selection itself.
        seed: of noise, selection and adaptation.
        published: the paper's figures in percent, by metric; empty where it prints none.
    """

    grid: str
    column: str
    method: str
    data: LabelledData
    selection: Selection | None
    adaptation: Adaptation | None
    seed: int
    published: Mapping[Metric, float] = field(default_factory=dict)
