"""The first pass over the images themselves: read, hash, decode, resize, each of them once.

Runs in as many processes as there are cores; a model may look on meanwhile.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.arrow import hex_texts, int_array_where
from deftclean.core.progress import Progress
from deftclean.core.runtime import Runtime
from deftclean.images.cache import Cache
from deftclean.images.decoding import ImageError, ImageStatus
from deftclean.images.look import LOOK, NO_LOOK, look_at
from deftclean.images.resizing import Pixels, Preparation, View, seen
from deftclean.images.sources import ImageSource
from deftclean.images.stored import Encoded, encoded
from deftclean.images.workers import Batches

_STEP = 64  # images that a worker is given at once
_WRITTEN = 65_536  # digests that are written as text at once
_JOINED = 256  # batches whose findings are put together: many small arrays take twice the memory


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


class Onlooker(Protocol):
    """Who looks at pictures that were decoded, while others are still being read."""

    def expect(self, count: int) -> None:
        """There are F images."""

    def see(self, images: NDArray[np.int64], pixels: NDArray[np.uint8]) -> None:
        """Some pictures as scoring sees them.

        Args:
            images: (n,) index among the F images.
            pixels: (n, 3, h, w).
        """


class Checks:
    """Findings, a batch of images at a time; resized pictures go into the cache on the way.

    Args:
        source: F images.
        preparation: how they are decoded and resized.
        cache: for resized pictures, or None.
        shows: give out those that had to be decoded.
    """

    def __init__(
        self,
        source: ImageSource,
        preparation: Preparation,
        cache: Cache | None,
        shows: bool = False,
    ) -> None:
        self.source = source
        self.preparation = preparation
        self.cache = cache
        self.shows = shows
        self.kept = (
            [(resize, cache.pictures(preparation.spec(resize))) for resize in preparation.resizes]
            if cache is not None
            else []
        )

    def __getitems__(self, indices: range) -> "CheckedBatch":
        """One batch."""
        shown: dict[int, Pixels] = {}
        checks = []
        for index, data in zip(indices, encoded(self.source, indices), strict=True):
            check, picture = self._check(data)
            checks.append(check)
            if picture is not None:
                shown[index] = picture
        return CheckedBatch(ImageChecks.of(checks), *self._stacked(shown))

    def check(self, index: int) -> ImageCheck:
        """One image; never raises for the image's sake."""
        (data,) = encoded(self.source, [index])
        return self._check(data)[0]

    def _stacked(self, shown: dict[int, Pixels]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        scoring = self.preparation.scoring
        pixels = np.empty((len(shown), 3, scoring.height, scoring.width), np.uint8)
        for place, picture in zip(pixels, shown.values(), strict=True):
            place[:] = seen(picture, View(), scoring.height, scoring.width)
        return np.array(list(shown), dtype=np.int64), pixels

    def _check(self, data: Encoded) -> tuple[ImageCheck, Pixels | None]:
        """What was found, and the picture as scoring sees it where it is to be shown."""
        if isinstance(data, ImageError):
            return ImageCheck(data.status, data.reason, None), None
        digest = hashlib.sha256(data).digest()
        looks = [folder.visit(digest) for _, folder in self.kept]
        if looks and None not in looks:
            return ImageCheck("ok", None, digest, looks[0] or NO_LOOK), None
        try:
            picture, size = self.preparation.sized(data)
        except ImageError as error:
            return ImageCheck(error.status, error.reason, digest), None
        look = look_at(picture, *size)
        scoring = self.preparation.scoring
        shown = scoring(picture) if self.shows else None
        if self.cache is not None and self.cache.accepts:
            for (resize, folder), kept in zip(self.kept, looks, strict=True):
                if kept is None:
                    same = shown if resize == scoring else None
                    pixels = resize(picture) if same is None else same
                    self.cache.put(folder, digest, pixels, look)
        return ImageCheck("ok", None, digest, look), shown


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
        if len(parts) == 1:
            return parts[0]
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
        if len(indices) == len(self) and np.array_equal(indices, np.arange(len(self))):
            return self  # a file for each row: there is no second copy
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
    def sha256(self) -> pa.ChunkedArray:
        """(F,) hexadecimal strings, null where there was nothing to hash."""
        starts = range(0, max(1, len(self)), _WRITTEN)
        blocks = [slice(start, start + _WRITTEN) for start in starts]
        chunks = [hex_texts(self.digests[block], self.hashed[block]) for block in blocks]
        return pa.chunked_array(chunks, pa.string())

    @property
    def first_of_same(self) -> pa.Array:
        """(F,) int64, the first with the same bytes; null for that one, and where it is alone."""
        hashed = np.flatnonzero(self.hashed)
        first = np.arange(len(self))
        first[hashed] = hashed[first_alike(self.digests, hashed)]
        return int_array_where(first, first != np.arange(len(first)))


def first_alike(digests: NDArray[np.uint8], files: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) for each of some files, the place among them of the first with its digest.

    Digests are hashes: the first of four numbers tells them apart, in a quarter of the memory.
    Where it does not, whole digests are sorted.
    """
    numbers = digests.view("<u8")  # (F, 4)
    order = np.argsort(numbers[files, 0], kind="stable")
    ordered = files[order]
    same = [numbers[ordered[1:], at] == numbers[ordered[:-1], at] for at in range(4)]
    if not np.array_equal(same[0], np.logical_and.reduce(same)):
        keys = digests[files].view("S32").ravel()
        _, places, group = np.unique(keys, return_index=True, return_inverse=True)
        return places[group]
    begins = np.concatenate([[True], ~same[0]])[: len(order)]
    first = np.empty_like(order)
    first[order] = order[begins][np.cumsum(begins) - 1]
    return first


class CheckedBatch(NamedTuple):
    """What a worker says of some images.

    Attributes:
        checks: of (B,) images.
        images: (n,) int64, which of all images are shown.
        pixels: (n, 3, h, w) uint8, as scoring sees them.
    """

    checks: ImageChecks
    images: NDArray[np.int64]
    pixels: NDArray[np.uint8]


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
    onlooker: Onlooker | None = None,
) -> ImageChecks:
    """Read, hash and decode every image once, and keep it resized in the cache: F findings.

    Several processes look at some of the images each; all of them learn what all have found.

    Args:
        source: F images.
        preparation: how they are decoded and resized.
        cache: for resized pictures, or None.
        runtime: workers and ranks.
        progress: told what happens.
        onlooker: shown what had to be decoded, meanwhile.
    """
    found: list[ImageChecks] = []
    latest: list[ImageChecks] = []
    part = runtime.ranks.part(len(source))
    count = part.stop - part.start
    most = runtime.checkers if onlooker is None else runtime.decoders
    workers = most if count > _STEP or runtime.workers is not None else 0
    workers = min(workers, -(-count // _STEP))
    with progress.stage("Checking images", count) as advance:
        if onlooker is not None:
            onlooker.expect(len(source))
        dataset = Checks(source, preparation, cache, onlooker is not None)
        for batch in Batches(dataset, _Ranges(part), workers, "checking images"):
            latest.append(batch.checks)
            if len(latest) == _JOINED:
                found.append(ImageChecks.joined(latest))
                latest.clear()
            if onlooker is not None:
                onlooker.see(batch.images, batch.pixels)
            advance(len(batch.checks), "")
    here = ImageChecks.joined([*found, *latest])
    del found, latest
    return ImageChecks.joined(runtime.ranks.every(here))
