"""A training that is stopped and gone on with: which epochs are trained, kept, and told of."""

from dataclasses import dataclass

import pytest
import torch

from deftclean.core.errors import UsageError
from deftclean.core.progress import Silent
from deftclean.training.checkpoint import Checkpoint
from deftclean.training.epochs import ResumableTraining

EPOCHS = 3


@dataclass(frozen=True)
class Figures:
    epoch: int

    def line(self, epochs):
        return f"epoch {self.epoch}/{epochs}"


@dataclass(frozen=True)
class Record:
    """Figures of every epoch, and a sum over them as the state."""

    epochs: tuple[Figures, ...]
    total: torch.Tensor

    def values(self):
        return {"epochs": [figures.epoch for figures in self.epochs]}

    def tensors(self):
        return {"state": {"total": self.total}}

    @classmethod
    def of(cls, values, tensors):
        return cls(tuple(map(Figures, values["epochs"])), tensors["state"]["total"])


def train(record, on_step, stopped_in=None, by=KeyboardInterrupt):
    """Adds up the numbers of the epochs."""
    epochs, total = ((), torch.zeros(1)) if record is None else (record.epochs, record.total)
    for epoch in range(len(epochs) + 1, EPOCHS + 1):
        if epoch == stopped_in:
            raise by
        on_step(lambda: "a step")
        epochs, total = (*epochs, Figures(epoch)), total + epoch
        yield Record(epochs, total)


class Listening(Silent):
    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)


@pytest.fixture
def checkpoint(tmp_path):
    return Checkpoint(tmp_path / "x.unfinished", {"seed": 1})


def training(checkpoint, resume=False):
    return ResumableTraining("Training", EPOCHS, 1, checkpoint, resume, Listening())


def stop(checkpoint, epoch, by=KeyboardInterrupt):
    run = training(checkpoint)
    with pytest.raises(by):
        run.run(Record.of, lambda record, on_step: train(record, on_step, epoch, by))
    return run.progress.said


def test_every_epoch_is_told_of_and_the_last_one_kept(checkpoint):
    run = training(checkpoint)
    record = run.run(Record.of, train)
    assert record.total.item() == 6
    assert run.progress.said == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert checkpoint.load(Record.of).epochs == record.epochs


@pytest.mark.parametrize("by", [KeyboardInterrupt, SystemExit])
def test_a_stopped_training_goes_on_where_it_was(checkpoint, by):
    said = stop(checkpoint, 3, by)
    assert said[-1].startswith(
        f"stopped after 2 of 3 epochs, which are kept in {checkpoint.folder}"
    )
    run = training(checkpoint, resume=True)
    assert run.run(Record.of, train).total.item() == 6
    assert run.progress.said == ["going on after 2 of 3 epochs", "epoch 3/3"]


def test_without_an_epoch_there_is_nothing_to_say(checkpoint):
    assert stop(checkpoint, 1) == []
    assert not checkpoint.exists


def test_without_resume_it_begins_anew(checkpoint):
    stop(checkpoint, 3)
    run = training(checkpoint)
    assert run.run(Record.of, train).total.item() == 6
    assert run.progress.said[0] == "epoch 1/3"


def test_the_checkpoint_of_another_training_is_refused(checkpoint):
    stop(checkpoint, 3)
    other = Checkpoint(checkpoint.folder, {"seed": 2})
    with pytest.raises(UsageError, match="seed"):
        training(other, resume=True).run(Record.of, train)


def test_a_training_that_was_done_trains_no_more(checkpoint):
    training(checkpoint).run(Record.of, train)
    run = training(checkpoint, resume=True)
    assert run.run(Record.of, train).total.item() == 6
    assert run.progress.said == ["going on after 3 of 3 epochs"]
