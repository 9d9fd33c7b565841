"""SGD over the tensors of a detector that are trained, in any precision; its state can be kept."""

from typing import Any

import torch
from torch import Tensor

from deftclean.config import DetectorConfig
from deftclean.detector import DualPromptDetector
from deftclean.runtime import Runtime


class Optimiser:
    """SGD with momentum; under float16 autocast with scaled gradients.

    Args:
        detector: its trained tensors are changed in place.
        config: momentum, weight decay, clipping.
        runtime: device and precision.
    """

    def __init__(
        self, detector: DualPromptDetector, config: DetectorConfig, runtime: Runtime
    ) -> None:
        self._named = {n: p for n, p in detector.named_parameters() if p.requires_grad}
        self._clip = config.clip_grad
        self._sgd = torch.optim.SGD(
            self._named.values(),
            lr=config.lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            # One kernel for all tensors, and no waiting for the device under float16.
            fused=runtime.device.type == "cuda",
        )
        self._scaler = torch.amp.GradScaler(
            runtime.device.type, enabled=runtime.amp_dtype == torch.float16
        )

    def set_lr(self, lr: float) -> None:
        """The learning rate from now on."""
        for group in self._sgd.param_groups:
            group["lr"] = lr

    def step(self, loss: Tensor) -> None:
        """Backpropagate and take a step."""
        self._sgd.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        if self._clip is not None:
            self._scaler.unscale_(self._sgd)
            torch.nn.utils.clip_grad_norm_(self._named.values(), self._clip)
        self._scaler.step(self._sgd)
        self._scaler.update()

    def momenta(self) -> dict[str, Tensor]:
        """Momentum of each trained tensor that has taken a step, by its name, on the CPU."""
        buffers = {
            name: self._sgd.state[parameter].get("momentum_buffer")
            for name, parameter in self._named.items()
        }
        return {
            name: buffer.detach().cpu().contiguous().clone()
            for name, buffer in buffers.items()
            if buffer is not None
        }

    def scaler_state(self) -> dict[str, Any]:
        """Plain numbers; empty unless gradients are scaled."""
        return dict(self._scaler.state_dict())

    def load(self, momenta: dict[str, Tensor], scaler_state: dict[str, Any]) -> None:
        """Put back what `momenta` and `scaler_state` gave."""
        for name, buffer in momenta.items():
            parameter = self._named[name]
            self._sgd.state[parameter]["momentum_buffer"] = buffer.to(parameter.device)
        if scaler_state:
            self._scaler.load_state_dict(scaler_state)
