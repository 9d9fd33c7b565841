"""Clothing1M, WebVision, Food-101N and Animal-10N: labels from the web, wrong in part."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deftclean.core.samples import balanced_sample
from deftclean.datasets.options import Split
from deftclean.datasets.public_sets import PublicSet, Source, clean_set, first_lemmas, plain
from deftclean.datasets.truth import differs

CLOTHING1M = Source(
    "Clothing1M",
    'the repository "noisy_label" of Tong Xiao (CVPR 2015), where access is asked for',
    "noisy_train_key_list.txt, noisy_label_kv.txt, clean_{train,val,test}_key_list.txt, "
    "clean_label_kv.txt and category_names_eng.txt, in the folder or in annotations/, and the "
    "pictures in images/0 to images/9 (or 0 to 9)",
)
WEBVISION = Source(
    "WebVision 1.0",
    'the page "WebVision Dataset 1.0" of the Computer Vision Lab, ETH Zurich',
    "info/ with synsets.txt, train_filelist_google.txt and val_filelist.txt, google/, and for "
    "validation val_images_256/",
)
FOOD101N = Source(
    "Food-101N",
    'the page "Food-101N" of Kuang-Huei Lee (CVPR 2018)',
    "images/<class>/ and meta/ with classes.txt, imagelist.tsv, verified_train.tsv and "
    "verified_val.tsv, in the folder itself or in Food-101N_release/",
)
ANIMAL10N = Source(
    "Animal-10N",
    'the page "ANIMAL-10N Dataset" of the Data Mining Lab, KAIST',
    "training/ and testing/ with pictures whose names begin with the label; or the binary version, "
    "data_batch_1.bin ... and test_batch.bin",
)
ANIMALS = (
    "cat", "lynx", "wolf", "coyote", "cheetah", "jaguar", "chimpanzee", "orangutan", "hamster",
    "guinea pig",
)  # fmt: skip

CLIP_NAMES = {
    "n01440764": "tench", "n01443537": "goldfish", "n01484850": "great white shark",
    "n01491361": "tiger shark", "n01494475": "hammerhead shark", "n01496331": "electric ray",
    "n01498041": "stingray", "n01514668": "rooster", "n01514859": "hen", "n01518878": "ostrich",
    "n01530575": "brambling", "n01531178": "goldfinch", "n01532829": "house finch",
    "n01534433": "junco", "n01537544": "indigo bunting", "n01558993": "American robin",
    "n01560419": "bulbul", "n01580077": "jay", "n01582220": "magpie", "n01592084": "chickadee",
    "n01601694": "American dipper", "n01608432": "kite (bird of prey)", "n01614925": "bald eagle",
    "n01616318": "vulture", "n01622779": "great grey owl", "n01629819": "fire salamander",
    "n01630670": "smooth newt", "n01631663": "newt", "n01632458": "spotted salamander",
    "n01632777": "axolotl", "n01641577": "American bullfrog", "n01644373": "tree frog",
    "n01644900": "tailed frog", "n01664065": "loggerhead sea turtle",
    "n01665541": "leatherback sea turtle", "n01667114": "mud turtle", "n01667778": "terrapin",
    "n01669191": "box turtle", "n01675722": "banded gecko", "n01677366": "green iguana",
    "n01682714": "Carolina anole", "n01685808": "desert grassland whiptail lizard",
    "n01687978": "agama", "n01688243": "frilled-necked lizard", "n01689811": "alligator lizard",
    "n01692333": "Gila monster", "n01693334": "European green lizard", "n01694178": "chameleon",
    "n01695060": "Komodo dragon", "n01697457": "Nile crocodile",
}  # fmt: skip
"""WordNet id -> the name that CLIP's authors gave the class for their prompts, of the fifty classes
that WebVision is usually cut to; as DEFT's authors have them. From open_clip, which loads torch
(IMAGENET_CLASSNAMES; MIT licence). WordNet's first names are "cock", "water ouzel", "eft"."""

_BALANCED = 32_000  # what DEFT's authors, and others before them, train on


def load_clothing1m(root: Path, split: Split, balanced: bool = False, seed: int = 0) -> PublicSet:
    """Clothing1M. The true label is known of a few of the noisy images.

    Args:
        root: its folder.
        split: `train` is the noisy million; the others have labels by people.
        balanced: of `train`, a random 32,000 with as many of each class: the sample on which
            published figures were made (whose own draw is not known).
        seed: of that sample.

    Raises:
        InputError: files are missing or damaged.
    """
    source = CLOTHING1M
    source.check_split(split, ("train", "clean-train", "val", "test"))
    kind, part = ("noisy", split) if split == "train" else ("clean", split.removeprefix("clean-"))
    lists, labels_file = f"{kind}_{part}_key_list.txt", f"{kind}_label_kv.txt"
    needed = [lists, labels_file, "clean_label_kv.txt", "category_names_eng.txt"]
    folder = source.folder(root, needed, ["annotations"])
    names = [plain(name) for name in source.lines(folder / "category_names_eng.txt")]
    keys = source.columns(folder / lists, {"key": pa.string()}, "\t")["key"].combine_chunks()
    classes = _looked_up(source, folder / labels_file, keys)
    if classes.null_count:
        raise source.refusal(f"{labels_file} has no label for {classes.null_count:,} of {lists}")
    true_classes = _looked_up(source, folder / "clean_label_kv.txt", keys)
    if balanced:
        chosen = pa.array(balanced_sample(classes.to_numpy(), len(names), _BALANCED, seed))
        keys, classes, true_classes = (x.take(chosen) for x in (keys, classes, true_classes))
    given = source.named(classes, names, folder / labels_file)
    true = source.named(true_classes, names, folder / "clean_label_kv.txt")
    inside = (root / "images").is_dir()
    if not inside and not any((root / str(digit)).is_dir() for digit in range(10)):
        raise source.refusal(f"{root} lacks the pictures: images/, or 0/ to 9/")
    if not inside:
        keys = pc.replace_substring_regex(keys, "^images/", "")
    return PublicSet(root, keys, given, true, differs(given, true), tuple(names))


def _looked_up(source: Source, path: Path, keys: pa.Array) -> pa.Array:
    """(N,) class of each key, null where the list lacks it."""
    listed = source.columns(path, {"key": pa.string(), "class": pa.int64()}, " ")
    places = pc.index_in(keys, value_set=listed["key"].combine_chunks())
    return listed["class"].combine_chunks().take(places)


def load_webvision(root: Path, split: Split, classes: int = 50) -> PublicSet:
    """WebVision 1.0: the pictures that Google found, of the first classes.

    Args:
        root: its folder.
        split: `val` has labels by people.
        classes: how many of the 1,000.

    Raises:
        InputError: files are missing or damaged.
    """
    source = WEBVISION
    source.check_split(split, ("train", "val"))
    list_file = "train_filelist_google.txt" if split == "train" else "val_filelist.txt"
    pictures = "google" if split == "train" else "val_images_256"
    folder = source.folder(root, ["info/synsets.txt", f"info/{list_file}", pictures])
    lines = [line.partition(" ") for line in source.lines(folder / "info" / "synsets.txt")]
    if len(lines) < classes:
        raise source.refusal(f"synsets.txt names {len(lines)} classes, not {classes}")
    synsets = {key: text for key, _, text in lines[:classes]}
    names = list(first_lemmas(synsets, CLIP_NAMES).values())
    types = {"file": pa.string(), "class": pa.int64()}
    listed = source.columns(folder / "info" / list_file, types, " ")
    listed = listed.filter(pc.less(listed["class"], classes))
    files, numbers = listed["file"].combine_chunks(), listed["class"].combine_chunks()
    given = source.named(numbers, names, folder / "info" / list_file)
    if split == "val":
        files = pc.binary_join_element_wise("val_images_256", files, "/")
        return clean_set(folder, files, given, names)
    unknown = pa.nulls(len(files), pa.string())
    return PublicSet(folder, files, given, unknown, differs(given, unknown), tuple(names))


def load_food101n(root: Path) -> PublicSet:
    """Food-101N. People said of some images whether the label is right, not what it should be.

    Raises:
        InputError: files are missing or damaged.
    """
    source = FOOD101N
    lists = ["meta/imagelist.tsv", "meta/verified_train.tsv", "meta/verified_val.tsv"]
    folder = source.folder(root, [*lists, "meta/classes.txt", "images"], ["Food-101N_release"])
    codes = [line for line in source.lines(folder / "meta/classes.txt") if line != "class_name"]
    names = [plain(code) for code in codes]
    keys = _without_heading(source.columns(folder / lists[0], {"key": pa.string()}, "\t"))["key"]
    keys = keys.combine_chunks()
    folders = pc.replace_substring_regex(keys, "/.*$", "")
    classes = pc.fill_null(pc.index_in(folders, value_set=pa.array(codes, pa.string())), -1)
    given = source.named(classes, names, folder / lists[0])
    right = _verified(source, [folder / name for name in lists[1:]], keys)
    true = pc.if_else(pc.fill_null(right, False), given, pa.scalar(None, pa.string()))
    files = pc.binary_join_element_wise("images", keys, "/")
    return PublicSet(folder, files, given, true, pc.invert(right), tuple(names))


def _verified(source: Source, lists: list[Path], keys: pa.Array) -> pa.Array:
    """(N,) bool, what people said; null where nobody looked."""
    types = {"key": pa.string(), "right": pa.string()}
    listed = pa.concat_tables(_without_heading(source.columns(path, types, "\t")) for path in lists)
    places = pc.index_in(keys, value_set=listed["key"].combine_chunks())
    return pc.equal(listed["right"].combine_chunks().take(places), "1")


def _without_heading(table: pa.Table) -> pa.Table:
    first = table["key"][0].as_py() if len(table) else ""
    return table.slice(1) if first.startswith("class_name") else table


def load_animal10n(root: Path, split: Split) -> PublicSet:
    """Animal-10N. About 8 % of the training labels are wrong; it is not known which.

    Raises:
        InputError: files are missing or damaged.
    """
    ANIMAL10N.check_split(split, ("train", "test"))
    folder = "training" if split == "train" else "testing"
    if (root / folder).is_dir():
        return _animal_files(root, folder, split)
    marker = "data_batch_1.bin" if split == "train" else "test_batch.bin"
    return _animal_records(ANIMAL10N.folder(root, [marker]), split)


def _animal_files(root: Path, folder: str, split: Split) -> PublicSet:
    pictures = (root / folder).iterdir()
    names = sorted(path.name for path in pictures if not path.name.startswith("."))
    odd = [name for name in names if not ("0" <= name[0] <= "9")]
    if odd or not names:
        what = f"{odd[0]!r} does not begin with a label" if odd else "it holds no pictures"
        raise ANIMAL10N.refusal(f"{root / folder}: {what}")
    classes = np.array([int(name[0]) for name in names], np.int64)
    files = pa.array([f"{folder}/{name}" for name in names], pa.string())
    return _animals(root, files, classes, split)


def _animal_records(folder: Path, split: Split) -> PublicSet:
    side, head = 64, 8  # four bytes of number and four of label, the highest first
    length = head + 3 * side * side
    paths = [folder / "test_batch.bin"]
    if split == "train":
        paths = sorted(
            folder.glob("data_batch_*.bin"), key=lambda path: (len(path.name), path.name)
        )
    records = []
    for path in paths:
        size = path.stat().st_size
        if not size or size % length:
            raise ANIMAL10N.refusal(f"{path} has {size:,} bytes, no records of {length:,}")
        records.append(np.memmap(path, np.uint8, mode="r").reshape(-1, length))
    heads = np.concatenate([part[:, 4:head] for part in records])
    classes = np.ascontiguousarray(heads).view(">u4").ravel().astype(np.int64)
    width = len(str(len(classes) - 1))
    files = pa.array([f"{row:0{width}d}.png" for row in range(len(classes))], pa.string())
    pixels = tuple(part[:, head:].reshape(-1, 3, side, side) for part in records)
    return replace(_animals(folder, files, classes, split), pixels=pixels)


def _animals(folder: Path, files: pa.Array, classes: NDArray[np.int64], split: Split) -> PublicSet:
    given = ANIMAL10N.named(pa.array(classes), ANIMALS, folder)
    if split == "test":
        return clean_set(folder, files, given, ANIMALS)
    unknown = pa.nulls(len(files), pa.string())
    return PublicSet(folder, files, given, unknown, differs(given, unknown), ANIMALS)
