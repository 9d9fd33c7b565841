"""Every distinct picture through a frozen model once, or out of the cache: features in a file."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deftclean import __version__
from deftclean.core.progress import Progress
from deftclean.training.embeddings import Embeddings, StoredEmbeddings
from deftclean.training.feeds import Encode
from deftclean.training.picture_sets import SCORING_BATCH, PictureSet, filled


def embed_pictures(
    pictures: PictureSet,
    encode: Encode,
    embeddings: Embeddings,
    done: NDArray[np.bool_],
    stored: StoredEmbeddings | None,
    stage: str,
    progress: Progress,
    on_batch: Callable[[], None],
) -> None:
    """Fill a file with the features of all pictures.

    Args:
        pictures: of the run.
        encode: of pixels, without gradients.
        embeddings: the file.
        done: (U,) whether a picture's features are in it already.
        stored: features in the cache, or None.
        stage: what is done, for people.
        progress: told what happens.
        on_batch: called after each batch that was computed.
    """
    digests, count = pictures.rows.distinct.digests, len(pictures.rows.distinct)
    new = np.arange(count) if stored is None else stored.fill(embeddings, digests)
    ranks = pictures.runtime.ranks
    # Each machine has a cache of its own: what one of them lacks is computed for all.
    missing = functools.reduce(np.union1d, ranks.every(new[~done[new]]))
    own = missing[ranks.part(len(missing), SCORING_BATCH)]
    with progress.stage(stage, count - len(missing) + len(own)) as advance:
        advance(count - len(missing), "")
        for batch, pixels in pictures.in_order(own, "embedding"):
            with torch.inference_mode(), pictures.runtime.autocast():
                features = encode(filled(pixels))[: len(pixels)]
            embeddings.put(batch.numpy(), features.float().cpu().numpy())
            advance(len(batch), "")
            on_batch()
    embeddings.share(missing, ranks, SCORING_BATCH)
    new = np.union1d(new, missing)
    if stored is not None and len(new) and not ranks.rank_here:
        stored.add(digests, new, embeddings)


def stored_embeddings(
    pictures: PictureSet, sha256: str | None, preprocess: Mapping[str, Any], size: int
) -> StoredEmbeddings | None:
    """Those of a model in the cache; None without a cache, or without weights to know it by.

    Args:
        pictures: how they are prepared, and where kept.
        sha256: of the weights.
        preprocess: the model's, with `mean` and `std`.
        size: D.
    """
    cache, preparation, runtime = pictures.cache, pictures.preparation, pictures.runtime
    if cache is None or sha256 is None:
        return None
    spec = {
        "format": 2,
        "deftclean": __version__,
        "weights": sha256,
        "pictures": preparation.spec(preparation.scoring),
        "normalisation": {name: preprocess[name] for name in ("mean", "std")},
        "batch": SCORING_BATCH,
        **runtime.arithmetic(),
    }
    return StoredEmbeddings(cache, cache.folder("embeddings", spec), size)
