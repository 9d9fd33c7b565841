"""What `doctor` looks at: versions, device, memory, model, cache, disk. Nothing is fetched.

Everything that can fail is tried and reported; only what a scan cannot do without is `broken`.
"""

import importlib.metadata
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deftclean import __version__
from deftclean.core.errors import DeftcleanError
from deftclean.core.results import Shown
from deftclean.core.run import RunOptions

State = Literal["ok", "note", "broken"]

SCHEMA_VERSION = 1
"""Of the JSON form."""

_PACKAGES = (
    "torch", "torchvision", "open_clip_torch", "timm", "safetensors", "huggingface-hub", "pillow",
    "numpy", "pyarrow", "pandas", "scikit-learn", "typer", "rich",
)  # fmt: skip
_LITTLE_DISK = 2e9  # bytes; less may not hold a model or the images of a table
_LITTLE_MEMORY = 3e9


@dataclass(frozen=True)
class Probe:
    """One thing that was looked at.

    Attributes:
        group: what it belongs to.
        name: of the thing.
        value: what was found, in words.
        state: `ok`; `note`: works, but should be known; `broken`: a scan cannot work.
        hint: what to do; empty where there is nothing to do.
    """

    group: str
    name: str
    value: str
    state: State = "ok"
    hint: str = ""


@dataclass(frozen=True, repr=False)
class Diagnosis(Shown):
    """All findings, in the order in which they are shown."""

    findings: tuple[Probe, ...]

    @property
    def ok(self) -> bool:
        """Whether a scan can work here."""
        return all(each.state != "broken" for each in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        keys = ("group", "name", "value", "state", "hint")
        findings = [{key: getattr(each, key) for key in keys} for each in self.findings]
        return {"schema_version": SCHEMA_VERSION, "ok": self.ok, "findings": findings}

    def facts(self) -> dict[str, object]:
        """What a notebook shows."""
        return {each.name: each.value for each in self.findings}


def diagnose(run: RunOptions, model: str) -> Diagnosis:
    """Look at this machine.

    Args:
        run: device, weights and cache of the scan that is thought of.
        model: its model.
    """
    findings = [*_versions()]
    if all(each.state != "broken" for each in findings):
        findings += [*_device(run), *_models(run, model)]
    findings += [*_machine(), *_cache(run), *_places()]
    return Diagnosis(tuple(findings))


def _versions() -> Iterator[Probe]:
    yield Probe("versions", "deftclean", __version__)
    python = f"{platform.python_version()} ({platform.python_implementation()})"
    yield Probe("versions", "python", python)
    yield Probe("versions", "system", f"{platform.system()} {platform.machine()}")
    for name in _PACKAGES:
        try:
            yield Probe("versions", name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Probe("versions", name, "not installed", "broken", f"pip install {name}")
    yield from _imports()


def _imports() -> Iterator[Probe]:
    """Packages of other builds than their Python or system fail only when they are loaded."""
    for name in ("torch", "torchvision", "open_clip", "pyarrow", "PIL.Image"):
        try:
            importlib.import_module(name)
        except (ImportError, OSError, RuntimeError, AttributeError) as error:
            reason = _first_line(error)
            yield Probe(
                "versions", f"import {name}", reason, "broken", "Install a build that fits."
            )


def _device(run: RunOptions) -> Iterator[Probe]:
    import torch

    from deftclean.core.runtime import choose_runtime

    found = _accelerators()
    yield Probe("device", "accelerators", "; ".join(found) or "none")
    try:
        runtime = choose_runtime(run.device, run.precision, run.workers)
    except DeftcleanError as error:
        yield Probe("device", f"--device {run.device}", error.message, "broken", error.hint)
        return
    why = "asked for" if run.device != "auto" else _why(runtime.device.type)
    yield Probe("device", f"--device {run.device}", f"{runtime.device}: {why}")
    yield Probe("device", "precision", runtime.precision)
    threads = torch.get_num_threads()
    yield Probe("device", "threads of PyTorch", f"{threads}")


def _accelerators() -> list[str]:
    import torch

    names = [
        f"cuda:{index} {torch.cuda.get_device_name(index)}, "
        f"{_gigabytes(torch.cuda.get_device_properties(index).total_memory)}"
        for index in range(torch.cuda.device_count())
    ]
    return [*names, "mps"] if torch.backends.mps.is_available() else names


def _why(kind: str) -> str:
    import torch

    if kind != "cpu":
        return "the first that is there of CUDA, MPS, CPU"
    built = torch.version.cuda or getattr(torch.version, "hip", None)
    return (
        "this PyTorch is built for a GPU, and finds none"
        if built
        else "this build of PyTorch knows no GPU"
        if not torch.backends.mps.is_built()
        else "there is no GPU"
    )


def _models(run: RunOptions, model: str) -> Iterator[Probe]:
    from deftclean.models.weights import DEFAULT_TAG, available_weights

    for name, weights in dict.fromkeys([("nano", None), (model, run.weights)]):
        title = name if weights is None else f"{name}, {weights}"
        try:
            file = available_weights(name, weights)
        except DeftcleanError as error:
            yield Probe("models", title, error.message, "broken", error.hint)
            continue
        if file is None:
            tag = "" if ":" in name else f" ({weights or DEFAULT_TAG})"
            value = f"not on this machine{tag}; the first scan would fetch it"
            hint = "Without network: --model nano, or local-dir:FOLDER."
            yield Probe("models", title, value, "note", hint)
        else:
            where = "built in" if name == "nano" else "on this machine"
            yield Probe("models", title, f"{where}, {file.stat().st_size / 1e6:.0f} MB")


def _machine() -> Iterator[Probe]:
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    cores = os.cpu_count() or 1
    usable = f"{cores}" if allowed in (None, cores) else f"{allowed} of {cores} for this process"
    yield Probe("machine", "CPU cores", usable)
    memory = psutil.virtual_memory()
    little = memory.available < _LITTLE_MEMORY
    yield Probe(
        "machine",
        "memory",
        f"{_gigabytes(memory.available)} free of {_gigabytes(memory.total)}",
        "note" if little else "ok",
        "ViT-B-16 may not fit; nano needs about 1 GB." if little else "",
    )


def _cache(run: RunOptions) -> Iterator[Probe]:
    from deftclean.core.files import cache_folder, expanded
    from deftclean.images.cache import used_bytes

    asked = run.cache_dir is not None
    try:
        root = expanded(run.cache_dir) if run.cache_dir is not None else cache_folder()
    except FileNotFoundError as error:
        yield Probe("cache", "folder", f"{error.strerror}: none is used", "note", "Set HOME.")
        return
    if not _can_be_written(root):
        # As a scan has it: a folder that was asked for is refused, the usual one done without.
        yield Probe(
            "cache", "folder", f"{root} cannot be written to", "broken" if asked else "note",
            "Choose another with --cache-dir, or give --no-cache.",
        )  # fmt: skip
        return
    there = "" if root.is_dir() else " (not made yet)"
    yield Probe("cache", "folder", f"{root}{there}")
    limit = f"{run.cache_size:g} GB"
    yield Probe("cache", "size", f"{_gigabytes(used_bytes(root))} of at most {limit}")


def _places() -> Iterator[Probe]:
    temporary = Path(tempfile.gettempdir())
    try:
        with tempfile.NamedTemporaryFile(prefix="deftclean-"):
            pass
    except OSError as error:
        value = f"{temporary} cannot be written to: {error.strerror or error}"
        yield Probe("disk", "temporary folder", value, "broken", "Set TMPDIR.")
    else:
        yield _disk("temporary folder", temporary)
    yield _disk("current folder", Path.cwd())


def _disk(name: str, folder: Path) -> Probe:
    free = shutil.disk_usage(folder).free
    little = free < _LITTLE_DISK
    written = os.access(folder, os.W_OK)
    return Probe(
        "disk",
        name,
        f"{folder}, {_gigabytes(free)} free{'' if written else ', read-only'}",
        "note" if little or not written else "ok",
        "Free space, or choose another disk." if little else "",
    )


def _can_be_written(folder: Path) -> bool:
    """Whether the folder, or the first one above it that is there, can be written to."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return there.is_dir() and os.access(there, os.W_OK)


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
