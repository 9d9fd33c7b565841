"""Features of another model than CLIP: any backbone that timm knows, frozen."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from deftclean.core.errors import UsageError, WeightsError
from deftclean.core.progress import Progress
from deftclean.core.runtime import Runtime
from deftclean.features.embedding import embed_pictures, stored_embeddings
from deftclean.images.cache import Cache
from deftclean.images.resizing import Preparation
from deftclean.images.usable_rows import UsableRows
from deftclean.models.backbones import BackboneName, find_backbone, load_backbone
from deftclean.models.backbones import features_of as before_head
from deftclean.settings.evidence import FEATURES
from deftclean.settings.training import Decode
from deftclean.training.embeddings import Embeddings
from deftclean.training.picture_sets import PictureSet


@dataclass(frozen=True)
class Sight:
    """Features of all pictures, and of what model they are.

    Attributes:
        embeddings: (U, D) unit vectors.
        card: plain values: model, hash of its weights, D.
    """

    embeddings: Embeddings
    card: dict[str, Any]


def check_features(name: str, weights: str | None) -> BackboneName:
    """Settle what `--features` stands for; nothing is loaded.

    Raises:
        UsageError: there is no such model or file.
    """
    with _these_options():
        return find_backbone(name, weights, False, None)


@contextlib.contextmanager
def _these_options() -> Iterator[None]:
    """Who asks for a backbone elsewhere has options of other names."""
    try:
        yield
    except (UsageError, WeightsError) as error:
        message, hint = f" {error.message}", error.hint
        if isinstance(error, WeightsError):
            hint = "Without network: --features-weights with a file or folder that you copied here."
        for old, new in (("--weights", "--features-weights"), ("--backbone", FEATURES)):
            message = message.replace(f" {old}", f" {new}")
            hint = hint.replace(f" {old} ", f" {new} ")
        raise type(error)(message.strip(), hint) from error


class BackboneSight:
    """Looks at the pictures of a run with a backbone.

    Args:
        chosen: from `check_features`.
        decode: how pictures are decoded.
        offline: never fetch weights.
        runtime: of the run.
        progress: told what happens.
        sha256: that the weights must have; None for any.

    Raises:
        WeightsError: the weights cannot be had, or are others.
    """

    def __init__(
        self,
        chosen: BackboneName,
        decode: Decode,
        offline: bool,
        runtime: Runtime,
        progress: Progress,
        sha256: str | None,
    ) -> None:
        self._chosen, self._runtime, self._progress = chosen, runtime, progress
        with _these_options():
            loaded = load_backbone(chosen, 2, 0, offline, progress.say)
        if sha256 is not None and loaded.sha256 != sha256:
            raise WeightsError(
                f"--features {chosen.name}: these are other weights than those of the scan "
                f"(SHA-256 {sha256[:12]}…, here {str(loaded.sha256)[:12]}…).",
                "Give those: --features-weights FILE",
            )
        self._loaded = loaded
        runtime.place(loaded.model)
        self._model = loaded.model.eval()
        self._preparation = Preparation.of(loaded.preprocess, decode, crop=False)
        self._mean, self._std = (
            torch.tensor(loaded.preprocess[name], device=runtime.device).view(3, 1, 1)
            for name in ("mean", "std")
        )

    def of(
        self,
        rows: UsableRows,
        folder: Path,
        cache: Cache | None,
        on_batch: Callable[[], None] = lambda: None,
    ) -> Sight:
        """Features of every distinct picture.

        Args:
            rows: of the run.
            folder: of the run's own files.
            cache: of pictures and embeddings, or None.
            on_batch: called after each batch that was computed.
        """
        pictures = PictureSet(rows, self._preparation, cache, self._runtime)
        size, sha256 = self._size(), self._loaded.sha256
        embeddings = Embeddings(folder / "backbone", len(rows.distinct), size)
        stored = stored_embeddings(pictures, sha256, self._loaded.preprocess, size)
        stage = f"Embedding ({self._chosen.name})"
        done = np.zeros(len(rows.distinct), dtype=bool)
        embed_pictures(
            pictures, self._encode, embeddings, done, stored, stage, self._progress, on_batch
        )
        return Sight(
            embeddings,
            {"from": FEATURES, "model": self._chosen.name, "size": size, "sha256": sha256},
        )

    def _encode(self, pixels: Tensor) -> Tensor:
        on_device = pixels.to(self._runtime.device).float().div(255)
        return F.normalize(
            before_head(self._model, (on_device - self._mean) / self._std).float(), dim=1
        )

    def _size(self) -> int:
        height, width = self._preparation.scoring.height, self._preparation.scoring.width
        blank = torch.zeros(1, 3, height, width, dtype=torch.uint8)
        with torch.inference_mode():
            return int(self._encode(blank).shape[1])
