"""Optimisers over the trained tensors of a module, in any precision; their state can be kept."""

import math
from collections.abc import Mapping
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from deftclean.core.run import Ranks
from deftclean.core.runtime import Runtime
from deftclean.models.tuners import OwnWeights
from deftclean.settings.training import Schedule


class Settings(Protocol):
    """What an optimiser asks of a configuration."""

    @property
    def lr(self) -> float:
        """Learning rate of the first epoch."""

    @property
    def tower_lr_share(self) -> float | None:
        """Of an image tower's own weights, as a share of `lr`; None for all of it."""

    @property
    def momentum(self) -> float:
        """Of SGD."""

    @property
    def weight_decay(self) -> float:
        """On every trained tensor."""

    @property
    def clip_grad(self) -> float | None:
        """Largest gradient norm."""

    @property
    def schedule(self) -> Schedule:
        """Of the learning rate."""

    @property
    def epochs(self) -> int:
        """Passes over the data."""


class Optimiser:
    """SGD with momentum or AdamW; under float16 autocast with scaled gradients.

    What a tuner trains of the tower's own weights has a learning rate of its own.

    Args:
        module: its tensors that require gradients are changed in place.
        kind: `sgd` or `adamw`.
        settings: learning rate, momentum, weight decay, clipping.
        runtime: device and precision.
    """

    def __init__(
        self,
        module: nn.Module,
        kind: Literal["sgd", "adamw"],
        settings: Settings,
        runtime: Runtime,
    ) -> None:
        trained = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
        own = {id(p) for m in module.modules() if isinstance(m, OwnWeights) for p in m.parameters()}
        # In the order of the groups below, in which PyTorch counts what it keeps of each.
        self._named = dict(sorted(trained, key=lambda named: id(named[1]) in own))
        self._clip = settings.clip_grad
        common: dict[str, Any] = {
            "lr": settings.lr,
            "weight_decay": settings.weight_decay,
            # One kernel for all tensors, and no waiting for the device under float16.
            "fused": runtime.device.type == "cuda",
        }
        groups = [
            {"params": [p for p in self._named.values() if (id(p) in own) is slow], "share": share}
            for slow, share in ((False, 1.0), (True, settings.tower_lr_share or 1.0))
        ]
        parameters = [group for group in groups if group["params"]]
        self._inner: torch.optim.Optimizer = (
            torch.optim.SGD(parameters, momentum=settings.momentum, **common)
            if kind == "sgd"
            else torch.optim.AdamW(parameters, **common)
        )
        self._scaler = torch.amp.GradScaler(
            runtime.device.type, enabled=runtime.amp_dtype == torch.float16
        )

    def set_lr(self, lr: float) -> None:
        """The learning rate from now on."""
        for group in self._inner.param_groups:
            group["lr"] = lr * group["share"]

    def zero_grad(self) -> None:
        """Forget gradients."""
        self._inner.zero_grad(set_to_none=True)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss, or of a part of it."""
        self._scaler.scale(loss).backward()

    def sum_over(self, ranks: Ranks) -> None:
        """Of several processes: add up what each has found, so that all take the same step."""
        ranks.add_gradients(self._named.values())

    def step(self) -> None:
        """Take a step along the gradients."""
        if self._clip is not None:
            self._scaler.unscale_(self._inner)
            torch.nn.utils.clip_grad_norm_(self._named.values(), self._clip)
        self._scaler.step(self._inner)
        self._scaler.update()

    def tensors(self) -> dict[str, Tensor]:
        """Momenta and the like, `slot.name` -> tensor on the CPU, of tensors that took a step."""
        state = self._inner.state_dict()["state"]
        return {
            f"{slot}.{name}": value.detach().cpu().contiguous().clone()
            for index, name in enumerate(self._named)
            for slot, value in state.get(index, {}).items()
            if value is not None
        }

    def scaler_state(self) -> dict[str, Any]:
        """Plain numbers; empty unless gradients are scaled."""
        return dict(self._scaler.state_dict())

    def load(self, tensors: Mapping[str, Tensor], scaler_state: dict[str, Any]) -> None:
        """Put back what `tensors` and `scaler_state` gave."""
        index = {name: place for place, name in enumerate(self._named)}
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            slot, _, name = key.partition(".")
            state.setdefault(index[name], {})[slot] = value
        groups = self._inner.state_dict()["param_groups"]
        self._inner.load_state_dict({"state": state, "param_groups": groups})
        if scaler_state:
            self._scaler.load_state_dict(scaler_state)


def learning_rate(settings: Settings, epoch: int) -> float:
    """Of epoch 1, 2, ...: constant, or ``lr · (1 + cos(π (epoch - 1) / epochs)) / 2``."""
    if settings.schedule == "constant":
        return settings.lr
    return settings.lr * (1 + math.cos(math.pi * (epoch - 1) / settings.epochs)) / 2
