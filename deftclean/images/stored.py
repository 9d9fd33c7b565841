"""Images that are no files here: behind a URL, many read at once, or packed in tar files.

Names that lead out of the folder are never asked for. What the store does not have is `missing`;
that it does not answer ends the run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deftclean.images.decoding import ImageError
from deftclean.images.sources import MAX_BYTES, FolderImages, ImageSource, NamedSource
from deftclean.shards.packed import (
    NOT_PACKED,
    NOT_THERE,
    OUTSIDE,
    Packed,
    located_in_shards,
)
from deftclean.stores.contents import listed
from deftclean.stores.objects import UNKNOWN, read_many
from deftclean.stores.urls import Url, is_plain, mirrored

Encoded = bytes | ImageError
"""The encoded bytes of a picture, or why there are none."""


@dataclass(frozen=True)
class StoredImages:
    """Images that are objects below a URL.

    Args:
        url: the data folder.
        file_names: F strings, relative to it; an empty one means that no file is named.
        sizes: (F,) bytes; `UNKNOWN` where nobody has looked.
        complete: whether the folder was listed, so that a file without a size is not there.
    """

    url: Url
    file_names: pa.Array
    sizes: NDArray[np.int64]
    complete: bool

    def __len__(self) -> int:
        return len(self.file_names)

    def read(self, index: int) -> bytes:
        """The bytes of one object.

        Raises:
            ImageError: as `ImageSource.read`.
            InputError, RunError: the store refuses, or does not answer.
        """
        (data,) = self.read_many([index])
        if isinstance(data, ImageError):
            raise data
        return data

    def read_many(self, indices: Sequence[int]) -> Iterator[Encoded]:
        """Bytes of n objects, in order, as many at once as memory may hold.

        Raises:
            InputError, RunError: the store refuses, or does not answer.
        """
        refused = {index: why for index in indices if (why := self._refusal(index)) is not None}
        asked = [index for index in indices if index not in refused]
        names = self.file_names.take(pa.array(asked, pa.int64())).to_pylist()
        answers = read_many(self.url, names, self.sizes[asked], MAX_BYTES)
        for index in indices:
            yield refused[index] if index in refused else _image(next(answers))

    def _refusal(self, index: int) -> ImageError | None:
        """Why an object is not asked for."""
        name, size = self.file_names[index].as_py(), int(self.sizes[index])
        if not name:
            return ImageError("missing", "the row names no file")
        if name.startswith("/") or ".." in name.split("/"):
            return ImageError("outside", "leads outside the data folder")
        if not all(is_plain(part) for part in name.split("/")):
            return ImageError("missing", "no such file")
        if self.complete and size == UNKNOWN:
            return ImageError("missing", "no such file")
        return _too_large(size) if size > MAX_BYTES else None


def _image(data: bytes | None) -> Encoded:
    if data is None:
        return ImageError("missing", "no such file")
    return _too_large(len(data)) if len(data) > MAX_BYTES else data


def _too_large(size: int) -> ImageError:
    return ImageError("too_large", f"{size:,} bytes; the limit is {MAX_BYTES:,}")


@dataclass(frozen=True)
class PackedImages:
    """Images in tar files, and beside them some that are not.

    Args:
        files: the same F images by name, for those that are in no shard.
        packed: where the others lie.
    """

    files: NamedSource
    packed: Packed

    @property
    def file_names(self) -> pa.Array:
        """F strings."""
        return self.files.file_names

    def __len__(self) -> int:
        return len(self.files)

    def read(self, index: int) -> bytes:
        """The bytes of one image, from its place.

        Raises:
            ImageError: as `ImageSource.read`.
        """
        where, size = int(self.packed.shard[index]), int(self.packed.sizes[index])
        if where == NOT_PACKED:
            return self.files.read(index)
        if (refusal := self._refusal(index)) is not None:
            raise refusal
        try:
            data = self.packed.read(index)
        except OSError as error:
            raise ImageError(
                "unreadable", f"cannot be opened: {error.strerror or error}"
            ) from error
        if len(data) < size:
            raise ImageError("unreadable", "its tar file is shorter than it was")
        return data

    def _refusal(self, index: int) -> ImageError | None:
        """Why a member is not read."""
        where, size = int(self.packed.shard[index]), int(self.packed.sizes[index])
        if where == NOT_THERE:
            return ImageError("missing", "no such file")
        if where == OUTSIDE:
            return ImageError("outside", "leads outside the data folder")
        return _too_large(size) if size > MAX_BYTES else None

    def read_many(self, indices: Sequence[int]) -> Iterator[Encoded]:
        """Bytes of n images, in order; those in tar files behind URLs many at once.

        Raises:
            InputError, RunError: the store refuses, or does not answer.
        """
        away = [at for at in indices if self.packed.is_far(at) and self._refusal(at) is None]
        answers = self.packed.read_far(away)
        asked = set(away)
        for index in indices:
            yield next(answers) if index in asked else _tried(self, index)


def images_below(root: Path, names: pa.Array, allow_outside: bool) -> NamedSource:
    """Images by name, on disk or behind the URL whose place the folder is.

    Args:
        root: the data folder.
        names: F strings, relative to it; an empty one means that no file is named.
        allow_outside: also open files that a name or a link leads to outside a folder on disk.
    """
    files = _files_below(root, names, allow_outside)
    packed = located_in_shards(root, names, allow_outside)
    return files if packed is None else PackedImages(files, packed)


def _files_below(root: Path, names: pa.Array, allow_outside: bool) -> NamedSource:
    url = mirrored(root.resolve())
    if url is None:
        return FolderImages(root, names, allow_outside)
    listing = listed(root.resolve())
    if listing is None:
        return StoredImages(url, names, np.full(len(names), UNKNOWN, np.int64), complete=False)
    return StoredImages(url, names, listing.sizes_of(names.to_pylist()), complete=True)


def encoded(source: ImageSource, indices: Sequence[int]) -> Iterator[Encoded]:
    """Some images of a source, in order: bytes, or why there are none."""
    if isinstance(source, StoredImages | PackedImages):
        yield from source.read_many(indices)
        return
    for index in indices:
        yield _tried(source, index)


def _tried(source: ImageSource, index: int) -> Encoded:
    try:
        return source.read(index)
    except ImageError as error:
        return error
