"""What several processes make of layers that normalise by the statistics of a batch."""

import pytest
import timm
import torch
from torch.nn.modules.batchnorm import BatchNorm2d, SyncBatchNorm

from deftclean.adaptation.classifiers import FineTuned
from deftclean.adaptation.learner import share_statistics
from deftclean.core.errors import UsageError
from deftclean.settings.adaptation import AdaptConfig, resolve_adaptation

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


def classifier(model: torch.nn.Module) -> FineTuned:
    return FineTuned(model, (0.5,) * 3, (0.5,) * 3)


def config(**settings: object) -> AdaptConfig:
    return resolve_adaptation("nano", "fft", settings)


def test_statistics_are_shared_and_all_else_stays():
    """Layers of timm's that normalise and bend in one keep their bend."""
    torch.manual_seed(0)
    model = classifier(timm.create_model("mobilenetv3_small_050", num_classes=3)).eval()
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    before, names = model(pixels), list(model.tensors())
    share_statistics(model, "mobilenet", config(), CUDA)
    kinds = [type(each) for each in model.modules()]
    assert any(issubclass(kind, SyncBatchNorm) for kind in kinds)
    assert not any(issubclass(kind, BatchNorm2d) for kind in kinds)
    assert list(model.tensors()) == names
    assert torch.equal(model(pixels), before)


@pytest.mark.parametrize(
    ("device", "settings", "why"),
    [
        (CPU, {}, "several processes on a CPU cannot share"),
        (CUDA, {"micro_batch": 2}, "where a batch goes in pieces"),
    ],
)
def test_where_they_cannot_be_shared_the_backbone_is_refused(device, settings, why):
    model = classifier(torch.nn.Sequential(BatchNorm2d(3)))
    with pytest.raises(UsageError, match=why):
        share_statistics(model, "mobilenet", config(**settings), device)
    none = classifier(torch.nn.Sequential(torch.nn.LayerNorm(3)))
    share_statistics(none, "vit", config(**settings), device)
