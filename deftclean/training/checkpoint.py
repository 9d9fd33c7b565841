"""A run that was stopped: where its training stood, kept beside the output until it is done.

Written after every epoch, whole or not at all, and of use only to a run on the same data, with the
same settings, model and kind of device: only then are the numbers those of a run never stopped.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deftclean.core.errors import InputError, UsageError
from deftclean.core.files import read_text
from deftclean.core.outputs import CHECKPOINT_MARK
from deftclean.core.run import ALONE, Ranks
from deftclean.core.switch import recover, remove_folder, whole_folder
from deftclean.core.text import parsed_json
from deftclean.images.usable_rows import UsableRows
from deftclean.models.tensors import load_tensors, write_tensors

_HASHED = 65_536  # digests of pictures that are hashed at once
_TENSORS = "state.safetensors"


Made = TypeVar("Made")


@dataclass(frozen=True)
class Checkpoint:
    """The folder that a run resumes from; of several processes the first one's alone.

    Attributes:
        folder: beside the output.
        identity: what decides every number of the run, by name: plain values and hashes.
        ranks: the processes that do the run together; all of them call what is below.
    """

    folder: Path
    identity: Mapping[str, Any]
    ranks: Ranks = ALONE

    @property
    def exists(self) -> bool:
        """Whether there is something to resume from."""
        return self.ranks.of_first(self._is_there)

    def _is_there(self) -> bool:
        recover(self.folder)
        return (self.folder / CHECKPOINT_MARK).is_file()

    def save(self, values: Mapping[str, Any], tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Replace what is there by the state after the last epoch.

        Args:
            values: plain values.
            tensors: by group and name.

        Raises:
            RunError: the disk is full.
        """
        if not self.ranks.first:
            return
        flat = {f"{g}.{name}": t for g, members in tensors.items() for name, t in members.items()}
        kept = {"identity": self.identity, **values}
        with whole_folder(self.folder, overwrite=True) as temporary:
            write_tensors(flat, temporary / _TENSORS)
            seal = _seal(kept, temporary / _TENSORS)
            text = json.dumps({"seal": seal, **kept}, indent=2, ensure_ascii=False)
            (temporary / CHECKPOINT_MARK).write_text(text + "\n", encoding="utf-8")

    def load(
        self, make: Callable[[dict[str, Any], Mapping[str, dict[str, Tensor]]], Made]
    ) -> Made | None:
        """What was left; None where nothing is there.

        Args:
            make: from the values and tensors that `save` was given; groups that had no tensor are
                empty.

        Raises:
            UsageError: it belongs to other data, settings, model or device; says which.
            InputError: it is damaged.
        """
        return self.ranks.of_first(lambda: self._read(make))

    def _read(
        self, make: Callable[[dict[str, Any], Mapping[str, dict[str, Tensor]]], Made]
    ) -> Made | None:
        if not self._is_there():
            return None
        try:
            values = parsed_json(read_text(self.folder / CHECKPOINT_MARK))
            seal = values.pop("seal")
            self._refuse_another(values["identity"])
            if seal != _seal(values, self.folder / _TENSORS):
                raise ValueError("it is not as it was written")
            tensors: defaultdict[str, dict[str, Tensor]] = defaultdict(dict)
            for key, tensor in load_tensors(self.folder / _TENSORS).items():
                group, _, name = key.partition(".")
                tensors[group][name] = tensor
            return make(values, tensors)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{self.folder} is damaged: {error}.", "Delete it, and start without --resume."
            ) from error

    def _refuse_another(self, other: Mapping[str, Any]) -> None:
        differing = [
            name
            for name in {**self.identity, **other}
            if self.identity.get(name) != other.get(name)
        ]
        if differing:
            raise UsageError(
                f"{self.folder} is of another run; what differs: {', '.join(differing)}.",
                "Give the options it was started with, or leave --resume out to begin anew.",
            )

    def remove(self) -> None:
        """The run is done, or going on would end the same way."""
        if self.ranks.first:
            remove_folder(self.folder)


def _seal(kept: Mapping[str, Any], tensors: Path) -> str:
    """By which a state is known to be what a run has left, to the last number and name."""
    with tensors.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").digest()
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode() + content).hexdigest()


def rows_digest(rows: UsableRows, chosen: NDArray[np.int64], *more: bytes) -> str:
    """SHA-256 of some rows, their labels and their pictures, for an identity.

    Args:
        rows: of the run.
        chosen: (n,) which of them.
        more: what counts beside them.
    """
    made = hashlib.sha256(chosen.tobytes())
    made.update(rows.labels[chosen].tobytes())
    for first in range(0, len(chosen), _HASHED):
        shown = rows.pictures[chosen[first : first + _HASHED]]
        made.update(rows.distinct.digests[shown].tobytes())
    for each in more:
        made.update(each)
    return made.hexdigest()
