"""Batches on their way to the device, one ahead of the one that is computed with.

On CUDA a batch is copied from pinned memory on a stream of its own, so that copying and computing
happen at the same time; whoever computes waits for that copy alone.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]
"""(B,) rows, which stay on the CPU, and (B, ...) values for the device."""


def on_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """The same batches in the same order, their values on a device.

    Args:
        batches: on the CPU. On CUDA, one more is asked for than has been given out.
        device: of the model.
    """
    if device.type == "cuda":
        yield from _one_ahead(batches, device)
        return
    for rows, values in batches:
        yield rows, values.to(device)


def _one_ahead(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    copying = torch.cuda.Stream(device)
    waiting: tuple[Tensor, Tensor, torch.cuda.Event] | None = None
    for rows, values in batches:
        with torch.cuda.stream(copying):
            moved = values.pin_memory().to(device, non_blocking=True)
            done = copying.record_event()
        if waiting is not None:
            yield _arrived(*waiting)
        waiting = rows, moved, done
    if waiting is not None:
        yield _arrived(*waiting)


def _arrived(rows: Tensor, moved: Tensor, done: torch.cuda.Event) -> Batch:
    """A batch that may be computed with, on the stream that does."""
    computing = torch.cuda.current_stream(moved.device)
    computing.wait_event(done)
    # Its memory belongs to the other stream, which would give it to a copy while it is read here.
    moved.record_stream(computing)
    return rows, moved
