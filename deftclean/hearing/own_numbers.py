"""Numbers of the user's own as what witnesses look at: by picture, checked, in a file of the run.

Shapes: N rows, U distinct pictures, D numbers, K classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deftclean.core.errors import InputError
from deftclean.core.text import few
from deftclean.evidence.witness import OwnProbabilities, Take
from deftclean.features.backbone import BackboneSight, Sight
from deftclean.features.class_texts import ClassTexts
from deftclean.hearing.brought import Brought
from deftclean.images.prepared import ImageReader
from deftclean.images.usable_rows import UsableRows
from deftclean.models.backbones import BackboneName
from deftclean.settings.evidence import EMBEDDINGS
from deftclean.settings.training import Decode
from deftclean.table.own_files import OwnFile
from deftclean.training.embeddings import Embeddings

_BLOCK = 4096  # pictures
_SUM = 0.01  # by which probabilities of a row may miss one: those of half precision do
_REPEATS = 0.995  # share of the labels from which on an opinion is taken for the labels themselves

Block = NDArray[np.float32]
Bad = NDArray[np.bool_]


@dataclass(frozen=True)
class OwnNumbers:
    """What the user brought.

    Attributes:
        features: (U, D) unit vectors; None where there are none.
        witness: an opinion; None where there is none.
        sight: what the features are, as plain values for a card; None without features.
        texts: of the classes, where they are the user's.
        in_prompts: whether DEFT's prompts are made around them.
    """

    features: Take | None = None
    witness: OwnProbabilities | None = None
    sight: dict[str, Any] | None = None
    texts: ClassTexts | None = None
    in_prompts: bool = False

    @property
    def card(self) -> dict[str, Any]:
        """What `score` has to know of it, as plain values."""
        features = {} if self.sight is None else {"features": self.sight}
        texts = {} if self.texts is None else {"texts": [list(each) for each in self.texts]}
        prompts = {"prompt_texts": True} if self.in_prompts else {}
        return {**features, **texts, **prompts}


def own_numbers(
    brought: Brought, rows: UsableRows, folder: Path, sight: Sight | None
) -> OwnNumbers:
    """Of the pictures that can be read.

    Args:
        brought: numbers of N rows.
        rows: of the run.
        folder: of the run's own files.
        sight: what a backbone sees of the pictures; None without one.

    Raises:
        InputError: rows without numbers, or with such that mean nothing.
        RunError: there is no room in the folder.
    """
    features, witness, seen = None, None, None
    if sight is not None:
        features, seen = sight.embeddings.take, sight.card
    if brought.embeddings is not None:
        features = _by_picture(brought.embeddings, rows, folder / "own-embeddings", _unit).take
        seen = {"from": EMBEDDINGS, "size": brought.embeddings.values.shape[1]}
    if brought.pred_probs is not None:
        file = folder / "own-probabilities"
        witness = OwnProbabilities(_by_picture(brought.pred_probs, rows, file, _probabilities).take)
    texts = brought.texts if brought.own_texts else None
    return OwnNumbers(features, witness, seen, texts, brought.in_prompts)


def seen_by(
    chosen: BackboneName | None,
    decode: Decode,
    offline: bool,
    sha256: str | None,
    rows: UsableRows,
    reader: ImageReader,
) -> Sight | None:
    """What a backbone sees of the pictures of a run; None where none was chosen.

    Args:
        chosen: from `deftclean.features.backbone.check_features`.
        decode: how pictures are decoded.
        offline: never fetch weights.
        sha256: that the weights must have; None for any.
        rows: of the run.
        reader: its folder and cache.
    """
    if chosen is None:
        return None
    look = BackboneSight(chosen, decode, offline, reader.runtime, reader.progress, sha256)
    return look.of(rows, reader.folder, reader.cache)


def own_warnings(witness: OwnProbabilities | None, rows: UsableRows) -> list[str]:
    """Probabilities that say what the labels say were learned from them."""
    if witness is None or not len(rows.trainable):
        return []
    agree = 0
    for at in range(0, len(rows.trainable), _BLOCK):
        some = rows.trainable[at : at + _BLOCK]
        top = witness.probabilities(rows.pictures[some]).argmax(dim=1).numpy()
        agree += int(np.count_nonzero(top == rows.labels[some]))
    share = agree / len(rows.trainable)
    if share < _REPEATS:
        return []
    return [
        f"--pred-probs: its likeliest class is the given label in {share:.1%} of the rows: a model "
        "that has learned these very labels repeats their mistakes; give probabilities of rows "
        "that were left out of training (cross-validation)"
    ]


def _by_picture(
    found: OwnFile, rows: UsableRows, file: Path, checked: Callable[[Block], "_Checked"]
) -> Embeddings:
    """The numbers of the first row that shows each picture."""
    row_of = rows.first_rows
    missing = rows.readable[found.lines[rows.readable] < 0]
    if len(missing):
        raise InputError(
            f"{found.option} {found.path} says nothing of {len(missing):,} of "
            f"{len(rows.readable):,} rows: {_rows(missing)}.",
            "Give a line for every row whose picture can be read.",
        )
    spool = Embeddings(file, len(row_of), found.values.shape[1])
    wrong: dict[str, list[int]] = {}
    for at in range(0, len(row_of), _BLOCK):
        some = row_of[at : at + _BLOCK]
        result = checked(np.asarray(found.values[found.lines[some]], dtype=np.float32))
        for why, bad in result.wrong.items():
            wrong.setdefault(why, []).extend(some[bad].tolist())
        spool.put(np.arange(at, at + len(some)), result.values)
    said = [f"{why} in {len(bad):,} rows ({_rows(bad)})" for why, bad in wrong.items() if bad]
    if said:
        raise InputError(f"{found.option} {found.path}: {'; '.join(said)}.")
    return spool


@dataclass(frozen=True)
class _Checked:
    """A block as it is kept, and what is wrong with some of its lines: (B,) bool by reason."""

    values: Block
    wrong: dict[str, Bad]


def _unit(values: Block) -> _Checked:
    """Vectors of length one."""
    finite = _lines(np.isfinite(values))
    # Largest numbers first: squares of float32 end at 10^38.
    largest = np.abs(values).max(axis=1, keepdims=True, initial=0, where=np.isfinite(values))
    scaled = np.nan_to_num(values, posinf=0, neginf=0) / np.maximum(largest, 1e-30)
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    kept = scaled / np.maximum(length, 1e-30)
    empty = finite & (largest[:, 0] < 1e-30)
    return _Checked(kept, {"NaN or infinity": ~finite, "nothing but zeros": empty})


def _probabilities(values: Block) -> _Checked:
    """Probabilities; rows sum to one but for rounding."""
    finite = _lines(np.isfinite(values))
    known = np.nan_to_num(values, posinf=0, neginf=0)
    within = _lines((known >= 0) & (known <= 1 + _SUM))
    whole = np.abs(known.sum(axis=1) - 1) <= _SUM
    return _Checked(
        known,
        {
            "NaN or infinity": ~finite,
            "numbers that are no probabilities (logits?)": finite & ~within,
            "a sum that is not one": finite & within & ~whole,
        },
    )


def _lines(good: Bad) -> Bad:
    """(B,) of (B, D): all of them."""
    every: Bad = np.logical_and.reduce(good, axis=1)
    return every


def _rows(rows: Sequence[int] | NDArray[np.int64]) -> str:
    return "row " + few([str(int(row)) for row in rows])
