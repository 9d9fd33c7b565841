"""Copies of batches beside computing: order and waiting, on a device that only takes notes."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from deftclean.training.ahead import on_device

CUDA = torch.device("cuda", 0)


class Notes(list[str]):
    """What a device was told, in order."""


class Values:
    """In the place of a tensor."""

    def __init__(self, name: str, notes: Notes) -> None:
        self.name, self.notes, self.device = name, notes, torch.device("cpu")

    def pin_memory(self) -> "Values":
        self.notes.append(f"pin {self.name}")
        return self

    def to(self, device: torch.device, non_blocking: bool) -> "Values":
        assert non_blocking
        self.notes.append(f"copy {self.name} on {self.notes_stream()}")
        self.device = device
        return self

    def notes_stream(self) -> str:
        return Stream.current.name

    def record_stream(self, stream: "Stream") -> None:
        self.notes.append(f"{self.name} used by {stream.name}")


class Stream:
    """In the place of a stream."""

    current: "Stream"

    def __init__(self, name: str, notes: Notes) -> None:
        self.name, self.notes, self.events = name, notes, 0

    def record_event(self) -> str:
        self.events += 1
        return f"event {self.events}"

    def wait_event(self, event: str) -> None:
        self.notes.append(f"{self.name} waits for {event}")


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Notes:
    notes = Notes()
    Stream.current = Stream("computing", notes)

    @contextlib.contextmanager
    def stream(other: Stream) -> Iterator[None]:
        before, Stream.current = Stream.current, other
        yield
        Stream.current = before

    monkeypatch.setattr(torch.cuda, "Stream", lambda _device: Stream("copying", notes))
    monkeypatch.setattr(torch.cuda, "stream", stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _device: Stream.current)
    return notes


def test_one_batch_is_copied_while_another_is_computed_with(notes: Notes) -> None:
    given: Any = ((name, Values(name, notes)) for name in "abc")
    for rows, values in on_device(given, CUDA):
        assert rows == values.name  # type: ignore[attr-defined]
        assert values.device == CUDA
        notes.append(f"compute {rows}")
    assert notes == [
        "pin a", "copy a on copying",
        "pin b", "copy b on copying",
        "computing waits for event 1", "a used by computing", "compute a",
        "pin c", "copy c on copying",
        "computing waits for event 2", "b used by computing", "compute b",
        "computing waits for event 3", "c used by computing", "compute c",
    ]  # fmt: skip


@pytest.mark.parametrize("count", [0, 1])
def test_few_batches(notes: Notes, count: int) -> None:
    given: Any = [(name, Values(name, notes)) for name in "abc"[:count]]
    assert [rows for rows, _ in on_device(given, CUDA)] == list("abc"[:count])


def test_on_a_cpu_nothing_is_read_ahead() -> None:
    asked = []

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for number in range(3):
            asked.append(number)
            yield torch.tensor([number]), torch.full((1, 2), number)

    for number, (rows, values) in enumerate(on_device(batches(), torch.device("cpu"))):
        assert asked == list(range(number + 1))
        assert rows.tolist() == [number]
        assert values.tolist() == [[number] * 2]
