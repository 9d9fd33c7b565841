"""The training loop of an adaptation: pieces of a batch, full memory, resuming, devices."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from deftclean.adaptation.classifiers import Classifier
from deftclean.adaptation.fine_tuning import FitState, Fitted, Targets, fine_tune
from deftclean.adaptation.losses import make_loss
from deftclean.core.errors import RunError
from deftclean.core.runtime import Runtime
from deftclean.settings.adaptation import AdaptConfig

CPU = torch.device("cpu")
COUNT, WIDTH, CLASSES = 22, 5, 3
CONFIG = AdaptConfig(epochs=3, batch_size=8, lr=0.1)


class Small(Classifier):
    """A linear layer behind dropout; more than `most` pictures at once do not fit into memory."""

    def __init__(self, most: int = 1000, dropout: float = 0.0, device: str = "cpu") -> None:
        super().__init__()
        self.most = most
        self.sizes: list[int] = []
        self.dropout = nn.Dropout(dropout)
        self.layer = nn.Linear(WIDTH, CLASSES, device=device)
        for parameter in self.parameters():
            nn.init.constant_(parameter, 0.1)

    def forward(self, features: Tensor) -> Tensor:
        if len(features) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        self.sizes.append(len(features))
        return self.layer(self.dropout(features))


def features() -> Tensor:
    return torch.randn(COUNT, WIDTH, generator=torch.Generator().manual_seed(0))


def feed(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    everything = features()
    order = torch.from_numpy(np.random.default_rng(epoch).permutation(COUNT))
    for rows in order.split(CONFIG.batch_size):
        yield rows, everything[rows]


def targets(weighted: bool = False) -> Targets:
    labels = np.arange(COUNT) % CLASSES
    weights = np.linspace(0, 1, COUNT) if weighted else np.ones(COUNT)
    return Targets.of(labels, weights.astype(np.float32), np.arange(COUNT))


def train(
    model: Small,
    config: AdaptConfig = CONFIG,
    start: FitState | None = None,
    weighted: bool = False,
    said: list[str] | None = None,
) -> list[Fitted]:
    loss = make_loss(config.loss, COUNT, CLASSES, CPU)
    said = [] if said is None else said
    return list(
        fine_tune(
            model, feed, targets(weighted), loss, config, Runtime(CPU, None, 0),
            lambda _loss: None, said.append, start,
        )
    )  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_pieces_of_a_batch_are_the_batch(optimiser, weighted):
    whole, pieces = Small(), Small()
    one = train(whole, replace(CONFIG, optimiser=optimiser), weighted=weighted)
    config = replace(CONFIG, optimiser=optimiser, micro_batch=3)
    other = train(pieces, config, weighted=weighted)
    assert set(pieces.sizes) == {3, 2}
    torch.testing.assert_close(whole.layer.weight, pieces.layer.weight, rtol=1e-5, atol=1e-6)
    assert [e.loss for e in one] == pytest.approx([e.loss for e in other], rel=1e-5)
    assert [e.agreement for e in one] == [e.agreement for e in other]


def test_the_loss_of_an_epoch_is_the_weighted_mean_over_its_rows():
    model = Small()
    (fitted,) = train(model, replace(CONFIG, epochs=1, lr=1e-12), weighted=True)
    with torch.no_grad():
        logits = Small()(features())
    given = targets(weighted=True)
    each = nn.functional.cross_entropy(logits, given.labels, reduction="none")
    assert fitted.loss == pytest.approx(float((each * given.weights).sum() / given.weights.sum()))


def test_a_batch_that_does_not_fit_goes_through_in_pieces_and_gives_the_same():
    fits, said = Small(), []
    train(fits)
    tight = Small(most=3)
    train(tight, said=said)
    assert len(said) == 2  # 8 -> 4 -> 2
    assert "2 pictures at a time from here on" in said[-1]
    assert max(tight.sizes) == 2
    torch.testing.assert_close(fits.layer.weight, tight.layer.weight, rtol=1e-5, atol=1e-6)


def test_a_single_picture_that_does_not_fit_ends_the_run():
    with pytest.raises(RunError, match="single picture") as error:
        train(Small(most=0))
    assert "--image-size" in error.value.hint


def test_diverging_ends_the_run():
    with pytest.raises(RunError, match="diverged") as error:
        train(Small(), replace(CONFIG, lr=1e38, epochs=5))
    assert "--lr" in error.value.hint


@pytest.mark.parametrize("loss", ["ce", "elr"])
@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_going_on_from_an_epoch_gives_the_same_bits_dropout_included(optimiser, loss):
    config = replace(CONFIG, optimiser=optimiser, loss=loss)
    whole = Small(dropout=0.5)
    epochs = train(whole, config)
    torch.manual_seed(123)  # the caller's own random numbers have no say
    again = Small(dropout=0.5)
    rest = train(again, config, start=epochs[0].state)
    assert [e.epoch for e in rest] == [2, 3]
    assert torch.equal(whole.layer.weight, again.layer.weight)
    assert [e.loss for e in rest] == [e.loss for e in epochs[1:]]


def test_the_callers_random_numbers_are_left_alone():
    model = Small(dropout=0.5)
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    train(model)
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize("loss", ["ce", "sce", "gce", "elr"])
def test_the_losses_of_a_step_on_a_fake_cuda_device(loss, monkeypatch):
    """FakeTensorMode raises where tensors of two devices meet; nothing is computed."""
    from deftclean.adaptation.fine_tuning import _Step

    cuda, seen = torch.device("cuda"), []
    config = replace(CONFIG, micro_batch=3, loss=loss)
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = Small(device="cuda")
        made = make_loss(loss, COUNT, CLASSES, cuda)
        step = _Step(model, targets(), made, config, Runtime(cuda, None, 0), lambda _text: None)
        # Gradients need a real device.
        monkeypatch.setattr(step.optimiser, "backward", seen.append)
        monkeypatch.setattr(step.optimiser, "step", lambda: None)
        sums = step(torch.arange(8), torch.zeros(8, WIDTH, device="cuda"))
    assert len(seen) == 3
    assert {part.device.type for part in (*seen, sums.loss, sums.weight, sums.agreeing)} == {"cuda"}
