"""How far rows are from the mean of their class.

Shapes: D joint size, K classes, n labelled readable rows.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deftclean.detection.pictures import RunPictures
from deftclean.detection.scoring import joined
from deftclean.training.embeddings import Embeddings
from deftclean.training.feeds import Features
from deftclean.training.picture_sets import SCORING_BATCH


def prototype_distances(
    features: Embeddings, pictures: RunPictures, classes: int
) -> NDArray[np.float64]:
    """Euclidean distance of every row's unit features from the unit mean of its class's rows.

    Args:
        features: of every distinct picture.
        pictures: whose rows are asked about.
        classes: K.

    Returns:
        (n,) in [0, 2], by ascending row.
    """
    # On the CPU, where the file is: sums in float64, which not every device has.
    prototypes = _class_means(features.in_order(SCORING_BATCH), pictures, classes)
    columns: list[tuple[Tensor, ...]] = []
    for batch, image in features.in_order(SCORING_BATCH):
        rows, places = pictures.by_picture.labelled_of(batch)
        means = prototypes[pictures.labels[rows]]
        columns.append((rows, (image.double()[places] - means).norm(dim=1)))
    found: NDArray[np.float64] = joined(columns)[1]
    return found


def _class_means(batches: Features, pictures: RunPictures, classes: int) -> Tensor:
    """(K, D) unit vectors; zero for a class without rows."""
    sums: Tensor | None = None
    for batch, features in batches:
        rows, places = pictures.by_picture.labelled_of(batch)
        if sums is None:
            sums = features.new_zeros(classes, features.shape[1], dtype=torch.float64)
        sums.index_add_(0, pictures.labels[rows], features.double()[places])
    assert sums is not None  # noqa: S101 - a data set without pictures is refused
    return torch.nn.functional.normalize(sums, dim=1)
