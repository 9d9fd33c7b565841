"""Batches in pieces: the same features, gradients and steps, and less memory at once."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from deftclean.core.errors import RunError
from deftclean.core.runtime import choose_runtime
from deftclean.models.saved_detector import build_detector
from deftclean.settings.detector import DetectorConfig
from deftclean.training.feeds import PictureEpochs
from deftclean.training.pieces import Pieces, no_more, until_it_fits
from tests.support.models import tiny_encoder

RUNTIME = choose_runtime("cpu", "fp32", None)


class Small(nn.Module):
    """A tower on a device that holds the activations of some pictures."""

    def __init__(self, holds: int) -> None:
        super().__init__()
        self.holds, self.seen = holds, []
        self.inner = nn.Linear(12, 5)

    def forward(self, pixels: Tensor) -> Tensor:
        self.seen.append(len(pixels))
        if len(pixels) > self.holds:
            raise torch.OutOfMemoryError(f"{len(pixels)} pictures are too many")
        return F.normalize(self.inner(pixels.flatten(1).float() / 255).tanh(), dim=1)


def pixels(count: int) -> Tensor:
    return torch.randint(0, 256, (count, 3, 2, 2), dtype=torch.uint8)


def loss_of(features: Tensor) -> Tensor:
    """Of a batch as a whole: each row's share depends on all others."""
    return (features @ features.T).softmax(dim=1).square().sum() / len(features)


def test_halves_until_it_fits_and_says_so_once_each_time():
    said: list[str] = []
    tower, pieces, batch = Small(5), Pieces(None, RUNTIME, said.append), pixels(19)
    with torch.no_grad():
        found = pieces.of(tower)(batch)
        tower.holds = 100
        torch.testing.assert_close(found, tower(batch))
    assert tower.seen[:4] == [19, 10, 5, 5]
    assert [text.split(":")[1].split(" ")[1] for text in said] == ["10", "5"]
    assert "--micro-batch 5" in said[-1]
    tower.seen.clear()
    pieces.of(tower)(batch)
    assert tower.seen == [5, 5, 5, 4]  # it is remembered


@pytest.mark.parametrize("most", [1, 3, 7, 8])
def test_gradients_are_those_of_the_whole_batch(most):
    tower, batch = Small(100), pixels(8)
    wanted = torch.autograd.grad(loss_of(tower(batch)), tower.parameters())
    tower.seen.clear()
    features = Pieces(most, RUNTIME, print).of(tower)(batch)
    assert max(tower.seen) <= most
    found = torch.autograd.grad(loss_of(features), tower.parameters())
    torch.testing.assert_close(found, wanted)
    if most < 8:  # computed once more on the way back, one piece at a time
        assert len(tower.seen) == 2 * -(-8 // most)


def test_a_step_that_runs_out_on_its_way_back_is_taken_again():
    """Memory may end in the backward pass only; no gradient of the first attempt is left."""
    tower, pieces = Small(100), Pieces(None, RUNTIME, print)
    batch = pixels(8)
    feed = PictureEpochs(lambda _: iter([(torch.arange(8), batch)]), pieces.of(tower), RUNTIME)
    attempts = []

    def attempt(features: Tensor) -> list[Tensor]:
        attempts.append(len(features))
        tower.zero_grad()
        loss_of(features).backward()
        if len(attempts) < 3:
            raise torch.OutOfMemoryError("on the way back")
        return [each.grad.clone() for each in tower.parameters()]

    def again(error: torch.OutOfMemoryError) -> Tensor:
        pieces.halve(8, error)
        return feed.again()

    ((_, features),) = feed(0)
    found = until_it_fits(attempt, features, again)
    assert attempts == [8, 8, 8]
    assert tower.seen[-1] == 2
    torch.testing.assert_close(
        found, list(torch.autograd.grad(loss_of(tower(batch)), tower.parameters()))
    )


def test_a_single_picture_that_does_not_fit_ends_the_run():
    with pytest.raises(RunError, match="A single picture does not fit"):
        Pieces(2, RUNTIME, lambda _: None).of(Small(0))(pixels(4))
    with pytest.raises(RunError, match="A training step does not fit") as told:
        until_it_fits(lambda _: Small(0)(pixels(1)), torch.zeros(1), no_more)
    assert "--batch-size" in told.value.hint


@pytest.mark.parametrize("tuner", ["vpt-deep", "lora"])
def test_a_detectors_gradients_in_pieces(encoder, tuner):
    detector = build_detector(encoder, ("cat", "dog", "owl"), DetectorConfig(tuner=tuner))
    batch = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (5, 3, 64, 64), dtype=np.uint8)
    )
    trained = [each for each in detector.tuner.parameters() if each.requires_grad]
    wanted = torch.autograd.grad(loss_of(detector.image_features(batch)), trained)
    in_pieces = Pieces(2, RUNTIME, print).of(detector.image_features)
    found = torch.autograd.grad(loss_of(in_pieces(batch)), trained)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-7)


def test_pieces_on_a_fake_cuda_device():
    """FakeTensorMode raises where tensors of two devices meet; nothing is computed."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        with torch.device("cuda"):
            encoder = tiny_encoder()
        detector = build_detector(encoder, ("cat", "dog"), DetectorConfig(tuner="vpt-deep"))
        batch = torch.zeros(5, 3, 32, 32, dtype=torch.uint8, device="cuda")
        features = Pieces(2, RUNTIME, print).of(detector.image_features)(batch)
    assert (features.device.type, len(features)) == ("cuda", 5)
    assert features.requires_grad
