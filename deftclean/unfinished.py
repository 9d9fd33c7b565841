"""A scan that was stopped: where its training stood, kept beside the output until it is done.

Written after every epoch, whole or not at all, and of use only to a scan of the same data, with the
same settings, model and kind of device: only then are the numbers those of a scan never stopped.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from deftclean.errors import InputError, UsageError
from deftclean.files import whole_folder
from deftclean.training import EpochMetrics, TrainedEpoch, TrainingState

_STATE = "state.json"
_TENSORS = "state.safetensors"


def unfinished_folder(output: Path) -> Path:
    """Of a table: clean.parquet -> clean.unfinished."""
    return output.with_suffix(".unfinished")


@dataclass(frozen=True)
class Progressed:
    """What an earlier run left: its epochs, and the state behind the last of them."""

    epochs: tuple[EpochMetrics, ...]
    state: TrainingState


@dataclass(frozen=True)
class Unfinished:
    """The folder of one scan.

    Attributes:
        folder: beside the output.
        identity: what decides every number of the scan, by name: plain values and hashes.
    """

    folder: Path
    identity: Mapping[str, Any]

    def save(self, epochs: list[EpochMetrics], last: TrainedEpoch) -> None:
        """Replace what is there by the state after the last epoch.

        Raises:
            RunError: the disk is full.
        """
        state = last.state
        tensors = {f"tensor.{name}": tensor for name, tensor in state.tensors.items()}
        tensors |= {f"momentum.{name}": tensor for name, tensor in state.momenta.items()}
        values = {
            "identity": self.identity,
            "epoch": state.epoch,
            "warmup_end": state.warmup_end,
            "steps": state.steps,
            "scaler": state.scaler,
            "epochs": [metrics.as_dict() for metrics in epochs],
        }
        with whole_folder(self.folder, overwrite=True) as temporary:
            safetensors.torch.save_file(tensors, temporary / _TENSORS)
            text = json.dumps(values, indent=2, ensure_ascii=False)
            (temporary / _STATE).write_text(text + "\n", encoding="utf-8")

    def load(self) -> Progressed | None:
        """What was left; None where nothing is there.

        Raises:
            UsageError: it belongs to other data, settings, model or device; says which.
            InputError: it is damaged.
        """
        if not (self.folder / _STATE).is_file():
            return None
        try:
            values = json.loads((self.folder / _STATE).read_text(encoding="utf-8"))
            self._refuse_another(values["identity"])
            tensors = safetensors.torch.load_file(self.folder / _TENSORS)
            parts: dict[str, dict[str, Any]] = {"tensor": {}, "momentum": {}}
            for key, tensor in tensors.items():
                kind, _, name = key.partition(".")
                parts[kind][name] = tensor
            state = TrainingState(
                values["epoch"],
                values["warmup_end"],
                values["steps"],
                parts["tensor"],
                parts["momentum"],
                values["scaler"],
            )
            return Progressed(tuple(EpochMetrics(**m) for m in values["epochs"]), state)
        except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
            raise InputError(
                f"{self.folder} is damaged: {error}.", "Delete it, and scan without --resume."
            ) from error

    def _refuse_another(self, other: Mapping[str, Any]) -> None:
        differing = [
            name
            for name in {**self.identity, **other}
            if self.identity.get(name) != other.get(name)
        ]
        if differing:
            raise UsageError(
                f"{self.folder} is of another scan; what differs: {', '.join(differing)}.",
                "Give the options it was started with, or leave --resume out to begin anew.",
            )

    def remove(self) -> None:
        """The scan is done."""
        shutil.rmtree(self.folder, ignore_errors=True)


def check_unfinished_output(folder: Path) -> None:
    """Refuse to replace a folder that is none of ours.

    Raises:
        UsageError: something else has the name.
    """
    if folder.exists() and not (folder / _STATE).is_file():
        raise UsageError(
            f"{folder} is in the way: an unfinished scan is kept under that name.",
            "Move it away, or choose another -o.",
        )


def digest(*values: bytes) -> str:
    """SHA-256 of some bytes, for an identity."""
    return hashlib.sha256(b"".join(values)).hexdigest()
