"""Several processes, really started, against one."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deftclean.core.errors import CollapseError, UsageError
from deftclean.core.run import ALONE, Launch, Ranks, is_follower
from deftclean.core.runtime import choose_runtime
from deftclean.detection.step import judge
from deftclean.detection.train import _losses
from deftclean.features.columns import RowColumns
from deftclean.models.prompts import _shares
from deftclean.models.saved_detector import build_detector
from deftclean.settings.detector import DetectorConfig
from deftclean.training.embeddings import Embeddings
from tests.support.models import tiny_encoder
from tests.support.together import environment, run_together

NAMES = ("cat", "dog", "a rather long name of a bird", "car", "steam locomotive", "sea", "cup")
ROWS = 11
STEPS = [
    (rule, warmup_loss, warmup, pseudo)
    for rule in ("threshold", "agree")
    for warmup_loss, warmup, pseudo in (
        ("sce", True, False),
        ("ce", True, True),
        ("ce", False, True),
    )
]


@given(st.integers(1, 9), st.integers(0, 300), st.integers(1, 64))
def test_parts_are_all_there_is_in_whole_steps(size, count, step):
    parts = Ranks(size=size).parts(count, step)
    assert len(parts) == size
    assert [at for part in parts for at in range(count)[part]] == list(range(count))
    assert all(part.start % step == 0 or part.start == count for part in parts)
    numbers = [-(-(part.stop - part.start) // step) for part in parts]
    assert max(numbers) - min(numbers) <= 1


@given(st.integers(1, 9), st.integers(1, 40))
def test_every_process_has_a_row_of_every_batch(size, batch):
    rows = [range(batch)[Ranks(rank, size).rows_of(batch)] for rank in range(size)]
    assert all(rows)
    if batch < size:
        assert all(list(each) == list(range(batch)) for each in rows)
    else:
        assert [row for each in rows for row in each] == list(range(batch))


@given(st.lists(st.integers(1, 20), min_size=1, max_size=60), st.data())
def test_classes_are_cut_by_their_tokens(lengths, data):
    lengths = sorted(lengths)
    count = data.draw(st.integers(1, len(lengths)))
    ends = np.cumsum([0, *lengths]).tolist()
    shares = _shares(ends, count)
    assert [k for share in shares for k in range(len(lengths))[share]] == list(range(len(lengths)))
    tokens = [ends[share.stop] - ends[share.start] for share in shares]
    assert min(tokens) > 0
    most = -(-ends[-1] // count) + lengths[-1] * count
    assert max(tokens) <= most


def test_one_process_is_what_the_environment_says_without_torchrun(monkeypatch):
    assert Launch.of_environment({}) is None
    given = environment(1, 2, 29500)
    assert Launch.of_environment(given) == Launch(1, 2, 1, 2)
    assert is_follower(given)
    assert not is_follower({**given, "RANK": "0"})
    # Of another launcher, or of a job of one process, nothing is understood.
    assert Launch.of_environment({**given, "WORLD_SIZE": "1", "RANK": "0"}) is None
    assert Launch.of_environment({"RANK": "1", "WORLD_SIZE": "2"}) is None


@pytest.mark.parametrize(("name", "value"), [("RANK", "2"), ("LOCAL_RANK", "x"), ("RANK", "-1")])
def test_an_environment_that_cannot_be_is_refused(name, value):
    wrong = {**environment(1, 2, 29500), name: value}
    with pytest.raises(UsageError, match=f"{name}={value}"):
        Launch.of_environment(wrong)
    assert not is_follower(wrong)


def test_one_device_is_not_for_several_processes(monkeypatch):
    ranks = Ranks(1, 2, 1, 2)
    assert choose_runtime("cpu", "auto", None, ranks).device.type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _device: None)
    assert choose_runtime("cuda", "fp32", None, ranks).device == torch.device("cuda", 1)
    assert choose_runtime("auto", "fp32", None, ranks).device == torch.device("cuda", 1)
    with pytest.raises(UsageError, match="is one device"):
        choose_runtime("cuda:1", "fp32", None, ranks)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="for 1 CUDA devices"):
        choose_runtime("cuda", "fp32", None, ranks)


# ---------------------------------------------------------------- in two processes


class Averaged(Ranks):
    """The mistake: every process's own mean counts alike, however many rows it is of."""

    def __init__(self, ranks):
        self._ranks = ranks

    def __getattribute__(self, name):
        if name in ("_ranks", "part_of_mean"):
            return object.__getattribute__(self, name)
        return getattr(self._ranks, name)

    def part_of_mean(self, mean, own, whole):
        return mean / self._ranks.size


def gradients(encoder, divided, case):
    """Of one step, by name, and how many rows of the process's own part were judged clean."""
    rule, warmup_loss, warmup, pseudo = case
    config = DetectorConfig(
        tuner="lora", rank=2, context_length=3, rule=rule, warmup_loss=warmup_loss, seed=1
    )
    torch.manual_seed(0)
    detector = build_detector(encoder, NAMES, config)
    with torch.no_grad():
        for parameter in detector.parameters():
            if parameter.requires_grad:  # far enough from the start for all to matter
                parameter.add_(torch.randn(parameter.shape) * 0.1)
    detector.prompts.divide(divided, torch.device("cpu"))
    pixels = torch.randint(0, 256, (ROWS, 3, 32, 32), dtype=torch.uint8)
    given = torch.randint(0, len(NAMES), (ROWS,))
    other = (given + torch.randint(1, len(NAMES), (ROWS,))) % len(NAMES)
    own = divided.rows_of(ROWS)
    image = detector.image_features(pixels[own])
    seen = judge(detector, image, given[own], other[own], rule == "agree", pseudo, ROWS)
    loss, _ = _losses(seen, given[own], config, warmup, divided, ROWS)
    loss.backward()
    trained = {n: p for n, p in detector.named_parameters() if p.requires_grad}
    divided.add_gradients(trained.values())
    return {name: each.grad for name, each in trained.items()}, int(seen.clean.sum())


def furthest(found, wanted):
    """The largest difference, as a part of the largest number of its tensor."""
    assert found.keys() == wanted.keys()
    return max(
        float((found[name] - wanted[name]).abs().max() / wanted[name].abs().max())
        for name in wanted
    )


def in_two(ranks):
    """All that is looked at below: two processes are started once for all of it."""
    found = {"rank": ranks.rank, "steps": []}
    torch.manual_seed(14)  # of rows 2 are clean here and 5 there; by the other rule, 1 and 0
    encoder = tiny_encoder()
    for case in STEPS:
        wanted, _ = gradients(encoder, ALONE, case)
        right, clean = gradients(encoder, ranks, case)
        wrong, _ = gradients(encoder, Averaged(ranks), case)
        found["steps"].append((furthest(right, wanted), furthest(wrong, wanted), clean))

    found["total"] = ranks.total(ranks.rank + 1), ranks.total(torch.tensor([1.5, 2.0])).tolist()
    found["every"] = ranks.every(f"of {ranks.rank}")
    found["sent"] = ranks.sent(torch.full((2,), float(ranks.rank)), 1).tolist()
    found["first"] = ranks.of_first(lambda: os.getpid())
    found["pid"] = os.getpid()
    try:
        ranks.of_first(_collapsed)
    except CollapseError as error:
        found["raised"] = error.message, error.hint
    try:
        ranks.refuse_other({"seed": ranks.rank, "model": "nano"})
    except UsageError as error:
        found["refused"] = error.message

    columns = RowColumns(9, ranks)
    if ranks.first:  # the other sees none
        columns.add(torch.tensor([3, 1]), torch.tensor([0.3, 0.1]))
    found["few"] = [each.tolist() for each in columns.by_row()]
    columns = RowColumns(9, ranks)
    columns.add(torch.tensor([5 - ranks.rank]), torch.tensor([0.5]))
    found["columns"] = columns.by_row()[0].tolist()

    with tempfile.TemporaryDirectory() as folder:
        file = Embeddings(Path(folder) / "x", 10, 2)
        pictures = np.array([1, 3, 4, 6, 9])
        own = pictures[ranks.part(len(pictures), 2)]
        file.put(own, np.stack([own, own * 10], axis=1).astype(np.float32))
        file.share(pictures, ranks, 2)
        found["embeddings"] = file.take(pictures).tolist()
    return found


def _collapsed():
    raise CollapseError("all the same", "a lower --lr")


@pytest.fixture(scope="module")
def two():
    return run_together(in_two)


def test_a_step_is_that_of_one_process(two):
    """Within rounding; with each process's own means averaged it is another step."""
    clean = [[case[2] for case in each["steps"]] for each in two]
    assert all(here != there for here, there in zip(*clean, strict=True))
    for first, second in zip(*(each["steps"] for each in two), strict=True):
        assert first[:2] == second[:2], "all processes take the same step"
        right, wrong, _ = first
        assert right < 1e-4
        assert wrong > 1e-2


def test_what_is_sent_arrives_at_all(two):
    for each in two:
        assert each["total"] == (3, [3.0, 4.0])
        assert each["every"] == ["of 0", "of 1"]
        assert each["sent"] == [1.0, 1.0]
        assert each["first"] == two[0]["pid"]
        assert each["raised"] == ("all the same", "a lower --lr")
        assert "what differs: seed." in each["refused"]


def test_what_each_has_computed_all_have(two):
    for each in two:
        assert each["few"] == [[1, 3], [pytest.approx(0.1), pytest.approx(0.3)]]
        assert each["columns"] == [4, 5]
        assert each["embeddings"] == [[n, 10 * n] for n in (1, 3, 4, 6, 9)]
