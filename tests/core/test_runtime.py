"""How many processes read pictures."""

import dataclasses

import pytest
import torch

from deftclean.core import runtime
from deftclean.core.runtime import choose_runtime


@pytest.mark.parametrize(
    ("cores", "device", "expected"),
    [
        (1, "cpu", (0, 1, 0)),
        (2, "cpu", (2, 1, 0)),
        (8, "cpu", (8, 4, 0)),
        (64, "cpu", (16, 8, 0)),
        (2, "cuda", (2, 1, 1)),
        (8, "cuda", (8, 7, 7)),
        (64, "cuda", (16, 63, 63)),
    ],
)
def test_processes_by_pass_and_device(cores, device, expected, monkeypatch):
    monkeypatch.setattr(runtime, "cores", lambda: cores)
    chosen = dataclasses.replace(choose_runtime("cpu", "fp32", None), device=torch.device(device))
    assert (chosen.checkers, chosen.decoders, chosen.readers) == expected


@pytest.mark.parametrize("workers", [0, 1, 5])
def test_a_number_the_user_gave_is_obeyed_in_every_pass(workers):
    chosen = choose_runtime("cpu", "fp32", workers)
    assert (chosen.checkers, chosen.decoders, chosen.readers) == (workers,) * 3


def test_convolutions_lie_as_a_cuda_device_likes_them():
    asked = []

    class Model(torch.nn.Module):
        def to(self, *given, **named):
            asked.append((*given, *named.values()))

    cpu, cuda = choose_runtime("cpu", "fp32", None), torch.device("cuda")
    dataclasses.replace(cpu, device=cuda).place(Model())
    cpu.place(Model())
    assert asked == [(cuda,), (torch.channels_last,), (cpu.device,)]


@pytest.mark.parametrize(("name", "current"), [("cuda:1", [1]), ("cuda", []), ("cpu", [])])
def test_the_device_that_is_named_is_the_current_one(name, current, monkeypatch):
    made = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: made.append(device.index))
    choose_runtime(name, "fp32", None)
    assert made == current
