"""CIFAR-10 and CIFAR-100 in their binary versions, and the human labels of CIFAR-N."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deftclean.datasets.options import Split
from deftclean.datasets.public_sets import PublicSet, Source, clean_set, plain
from deftclean.datasets.truth import differs

_PAGE = 'Alex Krizhevsky\'s page "The CIFAR-10 dataset" at the University of Toronto'
_SIDE = 32

CIFAR10 = Source(
    "CIFAR-10",
    f"{_PAGE}, as the binary version (suitable for C programs)",
    "data_batch_1.bin to data_batch_5.bin, test_batch.bin and batches.meta.txt, in the folder "
    "itself or in cifar-10-batches-bin/",
)
CIFAR100 = Source(
    "CIFAR-100",
    f"{_PAGE}, as the binary version (suitable for C programs)",
    "train.bin, test.bin and fine_label_names.txt, in the folder itself or in cifar-100-binary/",
)
CIFAR_N = Source(
    "CIFAR-N",
    'the page "Learning with Noisy Labels Revisited" (noisylabels.com), repository cifar-10-100n',
    "CIFAR-10_human.pt or CIFAR-100_human.pt beside the binary files of CIFAR, or in data/",
)

HUMAN_LABELS = {
    "worse": "worse_label",
    "aggregate": "aggre_label",
    "random1": "random_label1",
    "random2": "random_label2",
    "random3": "random_label3",
}
"""Label sets of CIFAR-10N, and what the file calls them."""


def load_cifar10(root: Path, split: Split) -> PublicSet:
    """CIFAR-10: one byte for the label, then 3 x 32 x 32 bytes.

    Raises:
        InputError: files are missing, damaged, or of the pickled version.
    """
    CIFAR10.check_split(split, ("train", "test"))
    parts = [f"data_batch_{n}.bin" for n in range(1, 6)] if split == "train" else ["test_batch.bin"]
    _refuse_pickled(CIFAR10, root, ("cifar-10-batches-py",), "data_batch_1")
    folder = CIFAR10.folder(root, [*parts, "batches.meta.txt"], ["cifar-10-batches-bin"])
    return _load(CIFAR10, folder, parts, folder / "batches.meta.txt", 10, label_bytes=1)


def load_cifar100(root: Path, split: Split) -> PublicSet:
    """CIFAR-100: a byte for the coarse and one for the fine label, then 3 x 32 x 32 bytes.

    Raises:
        InputError: files are missing, damaged, or of the pickled version.
    """
    CIFAR100.check_split(split, ("train", "test"))
    parts = [f"{split}.bin"]
    _refuse_pickled(CIFAR100, root, ("cifar-100-python",), split)
    folder = CIFAR100.folder(root, [*parts, "fine_label_names.txt"], ["cifar-100-binary"])
    return _load(CIFAR100, folder, parts, folder / "fine_label_names.txt", 100, label_bytes=2)


def load_cifar10n(root: Path, labels: str) -> PublicSet:
    """CIFAR-10's training images with human labels.

    Args:
        root: folder of CIFAR-10's binary version and of `CIFAR-10_human.pt`.
        labels: one of `HUMAN_LABELS`.

    Raises:
        InputError: files are missing or damaged, or belong to other images.
    """
    return _with_human_labels(
        load_cifar10(root, "train"), root, "CIFAR-10_human.pt", HUMAN_LABELS[labels]
    )


def load_cifar100n(root: Path) -> PublicSet:
    """CIFAR-100's training images with human labels.

    Raises:
        InputError: as `load_cifar10n`.
    """
    return _with_human_labels(
        load_cifar100(root, "train"), root, "CIFAR-100_human.pt", "noisy_label"
    )


def _refuse_pickled(source: Source, root: Path, inner: tuple[str, ...], marker: str) -> None:
    for folder in (root, *(root / name for name in inner)):
        if (folder / marker).is_file() and not (folder / f"{marker}.bin").is_file():
            raise source.refusal(
                f"{folder} is the Python version, whose files are pickled and may run any code; "
                "take the binary version"
            )


def _load(
    source: Source, folder: Path, parts: list[str], names_file: Path, classes: int, label_bytes: int
) -> PublicSet:
    names = [plain(name) for name in source.lines(names_file)]
    if len(names) != classes:
        raise source.refusal(f"{names_file} names {len(names)} classes, not {classes}")
    records = [_records(source, folder / part, label_bytes) for part in parts]
    numbers = np.concatenate([part[:, label_bytes - 1] for part in records]).astype(np.int64)
    given = source.named(pa.array(numbers), names, folder)
    width = len(str(len(numbers) - 1))
    files = pa.array([f"{row:0{width}d}.png" for row in range(len(numbers))], pa.string())
    pixels = tuple(part[:, label_bytes:].reshape(-1, 3, _SIDE, _SIDE) for part in records)
    return replace(clean_set(folder, files, given, names), pixels=pixels)


def _records(source: Source, path: Path, label_bytes: int) -> NDArray[np.uint8]:
    length = label_bytes + 3 * _SIDE * _SIDE
    size = path.stat().st_size
    if not size or size % length:
        raise source.refusal(f"{path} has {size:,} bytes, which are no records of {length:,}")
    # Mapped, not read: pixels are needed one picture at a time.
    return np.memmap(path, np.uint8, mode="r").reshape(-1, length)


def _with_human_labels(clean: PublicSet, root: Path, name: str, key: str) -> PublicSet:
    found = [
        path for path in (root / name, root / "data" / name, clean.root / name) if path.is_file()
    ]
    if not found:
        raise CIFAR_N.refusal(f"{root} lacks {name}")
    sets = read_human_labels(found[0])
    numbers = {}
    for wanted in (key, "clean_label"):
        if wanted not in sets:
            raise CIFAR_N.refusal(f"{found[0]} has no {wanted!r}")
        numbers[wanted] = _whole_numbers(sets[wanted], found[0])
        if len(numbers[wanted]) != len(clean):
            raise CIFAR_N.refusal(
                f"{found[0]} has {len(numbers[wanted]):,} labels for {len(clean):,} images"
            )
    true = CIFAR_N.named(pa.array(numbers["clean_label"]), clean.class_names, found[0])
    if not true.equals(clean.true):
        raise CIFAR_N.refusal(f"{found[0]} does not belong to these images: true labels differ")
    given = CIFAR_N.named(pa.array(numbers[key]), clean.class_names, found[0])
    return replace(clean, given=given, wrong=differs(given, true))


def _whole_numbers(values: Any, path: Path) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise CIFAR_N.refusal(f"{path} does not hold one whole number for each image")
    return array.astype(np.int64)


def read_human_labels(path: Path) -> Mapping[str, Any]:
    """Arrays by name from a file that `torch.save` wrote; nothing in it is run.

    Raises:
        InputError: it is damaged, or holds other things than arrays.
    """
    import torch

    try:
        with torch.serialization.safe_globals(_array_types()):
            found = torch.load(path, map_location="cpu", weights_only=True)
    # A hostile or damaged file makes the reader raise nearly anything.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CIFAR_N.refusal(f"{path} cannot be read safely: {reason}") from error
    if not isinstance(found, dict):
        raise CIFAR_N.refusal(f"{path} holds no label sets")
    return found


def _array_types() -> list[Any]:
    """What NumPy arrays of integers are made of, under the names of NumPy 1 and 2."""
    rebuild = np.empty(0).__reduce__()[0]
    return [
        np.ndarray,
        np.dtype,
        (rebuild, "numpy.core.multiarray._reconstruct"),
        (rebuild, "numpy._core.multiarray._reconstruct"),
        *(type(np.dtype(kind)) for kind in ("u1", "i1", "i2", "i4", "i8")),
    ]
