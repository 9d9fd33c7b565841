"""The first pass over the images themselves: read, hash, decode, resize, each of them once.

Runs before any weights are loaded, in as many processes as there are cores.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import hex_texts
from deftclean.core.progress import Progress
from deftclean.core.runtime import Runtime
from deftclean.images.cache import Cache
from deftclean.images.decoding import ImageError, ImageStatus
from deftclean.images.look import LOOK, NO_LOOK, look_at
from deftclean.images.resizing import Preparation
from deftclean.images.sources import ImageSource
from deftclean.images.stored import Encoded, encoded
from deftclean.images.workers import Batches

_STEP = 64  # images that a worker is given at once


class ImageCheck(NamedTuple):
    """What was found about one image.

    Attributes:
        status: `ok` or what is wrong.
        error: why, or None.
        digest: SHA-256 of the encoded bytes, or None where there are none to hash.
        look: a record of `look.LOOK`, or nothing where it cannot be used.
    """

    status: ImageStatus
    error: str | None
    digest: bytes | None
    look: bytes = NO_LOOK


class Checks:
    """Findings, a batch of images at a time; resized pictures go into the cache on the way."""

    def __init__(self, source: ImageSource, preparation: Preparation, cache: Cache | None) -> None:
        self.source = source
        self.preparation = preparation
        self.cache = cache
        self.kept = (
            [(resize, cache.pictures(preparation.spec(resize))) for resize in preparation.resizes]
            if cache is not None
            else []
        )

    def __getitems__(self, indices: range) -> "ImageChecks":
        """One batch."""
        return ImageChecks.of([self._check(data) for data in encoded(self.source, indices)])

    def check(self, index: int) -> ImageCheck:
        """One image; never raises for the image's sake."""
        (data,) = encoded(self.source, [index])
        return self._check(data)

    def _check(self, data: Encoded) -> ImageCheck:
        if isinstance(data, ImageError):
            return ImageCheck(data.status, data.reason, None)
        digest = hashlib.sha256(data).digest()
        looks = [folder.visit(digest) for _, folder in self.kept]
        if looks and None not in looks:
            return ImageCheck("ok", None, digest, looks[0] or NO_LOOK)
        try:
            picture, size = self.preparation.sized(data)
        except ImageError as error:
            return ImageCheck(error.status, error.reason, digest)
        look = look_at(picture, *size)
        if self.cache is not None and self.cache.accepts:
            for (resize, folder), kept in zip(self.kept, looks, strict=True):
                if kept is None:
                    self.cache.put(folder, digest, resize(picture), look)
        return ImageCheck("ok", None, digest, look)


@dataclass(frozen=True)
class ImageChecks:
    """Findings as columns.

    Attributes:
        status: (F,) strings.
        error: (F,) strings, null where there is nothing to say.
        digests: (F, 32) uint8; zeros where there was nothing to hash.
        hashed: (F,) bool.
        looks: (F,) of `look.LOOK`; zeros where the image cannot be used.
    """

    status: pa.Array
    error: pa.Array
    digests: NDArray[np.uint8]
    hashed: NDArray[np.bool_]
    looks: NDArray[np.void]

    @classmethod
    def of(cls, checks: list[ImageCheck]) -> "ImageChecks":
        """From findings about single images."""
        digests = b"".join(check.digest or bytes(32) for check in checks)
        return cls(
            pa.array([check.status for check in checks], pa.string()),
            pa.array([check.error for check in checks], pa.string()),
            np.frombuffer(digests, np.uint8).reshape(-1, 32),
            np.array([check.digest is not None for check in checks], dtype=bool),
            np.frombuffer(b"".join(check.look for check in checks), LOOK),
        )

    @classmethod
    def joined(cls, parts: list["ImageChecks"]) -> "ImageChecks":
        """Several one after the other."""
        parts = parts or [cls.of([])]
        return cls(
            pa.concat_arrays([part.status for part in parts]),
            pa.concat_arrays([part.error for part in parts]),
            np.concatenate([part.digests for part in parts]),
            np.concatenate([part.hashed for part in parts]),
            np.concatenate([part.looks for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.status)

    def take(self, indices: NDArray[np.int64]) -> "ImageChecks":
        """The findings about some images, as often as they are asked for."""
        chosen = pa.array(indices)
        return ImageChecks(
            self.status.take(chosen),
            self.error.take(chosen),
            self.digests[indices],
            self.hashed[indices],
            self.looks[indices],
        )

    @property
    def fine(self) -> NDArray[np.bool_]:
        """(F,) bool, the image can be used."""
        return pc.equal(self.status, "ok").to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]

    @property
    def sha256(self) -> pa.Array:
        """(F,) hexadecimal strings, null where there was nothing to hash."""
        return hex_texts(self.digests, self.hashed)


class _Ranges:
    """The batches of the first pass, made as they are asked for.

    Args:
        part: of the images.
    """

    def __init__(self, part: slice) -> None:
        self.part = part

    def __iter__(self) -> Iterator[range]:
        for start in range(self.part.start, self.part.stop, _STEP):
            yield range(start, min(start + _STEP, self.part.stop))


def check_images(
    source: ImageSource,
    preparation: Preparation,
    cache: Cache | None,
    runtime: Runtime,
    progress: Progress,
) -> ImageChecks:
    """Read, hash and decode every image once, and keep it resized in the cache: F findings.

    Several processes look at some of the images each; all of them learn what all have found.
    """
    found = []
    part = runtime.ranks.part(len(source))
    count = part.stop - part.start
    workers = runtime.checkers if count > _STEP or runtime.workers is not None else 0
    workers = min(workers, -(-count // _STEP))
    with progress.stage("Checking images", count) as advance:
        dataset = Checks(source, preparation, cache)
        for batch in Batches(dataset, _Ranges(part), workers, "checking images"):
            found.append(batch)
            advance(len(batch), "")
    return ImageChecks.joined(runtime.ranks.every(ImageChecks.joined(found)))
