"""STBP: backpropagation through time with a surrogate derivative of the spike.

Reference: Wu et al., Spatio-temporal backpropagation for training high-performance spiking
neural networks, 2018; Neftci, Mostafa, Zenke, Surrogate gradient learning in spiking neural
networks, 2019.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from neurorobust.engine.dynamics import Neuron, State, exact_fire, lif_step
from neurorobust.engine.network import Network, Spikes
from neurorobust.engine.surrogate.base import Estimator
from neurorobust.errors import InvalidInput

Derivative = Callable[[Tensor, float], Tensor]


def triangle(u: Tensor, width: float) -> Tensor:
    """``max(0, w - |u|) / w^2``."""
    return (width - u.abs()).clamp(min=0) / width**2


def arctan(u: Tensor, width: float) -> Tensor:
    """``(a/2) / (1 + (pi a u / 2)^2)`` with ``a = 1 / w``."""
    return 0.5 / width / (1 + (math.pi / 2 / width * u) ** 2)


def rectangle(u: Tensor, width: float) -> Tensor:
    """``1/w`` where ``|u| < w/2``."""
    return (u.abs() < width / 2).to(u.dtype) / width


def sigmoid(u: Tensor, width: float) -> Tensor:
    """``a sig(a u) (1 - sig(a u))`` with ``a = 1 / w``."""
    s = torch.sigmoid(u / width)
    return s * (1 - s) / width


SURROGATES: dict[str, Derivative] = {f.__name__: f for f in (triangle, arctan, rectangle, sigmoid)}
"""Derivatives ``ds/du`` by name, of ``u = h - threshold`` and a width; each integrates to 1."""


class Stbp(Estimator):
    """Every step is backpropagated; ``ds/dh`` is replaced by a surrogate of ``h - threshold``.

    Args:
        surrogate: ``triangle``, ``arctan``, ``rectangle`` or ``sigmoid``.
        width: Width of the surrogate in units of the membrane, above 0.
        detach_reset: Whether the gradient is kept from flowing through the reset.
    """

    name: ClassVar[str] = "stbp"

    def __init__(
        self, surrogate: str = "triangle", width: float = 1.0, *, detach_reset: bool = False
    ) -> None:
        if surrogate not in SURROGATES:
            msg = f"no surrogate is named {surrogate!r}; known are {', '.join(SURROGATES)}"
            raise InvalidInput(msg)
        if not width > 0:
            msg = f"surrogate width is {width}; it must be above 0"
            raise InvalidInput(msg)
        self.surrogate, self.width, self.detach_reset = surrogate, width, detach_reset

    def parameters(self) -> Mapping[str, Any]:
        """Shape, width and reset path."""
        return {
            "surrogate": self.surrogate,
            "width": self.width,
            "detach_reset": self.detach_reset,
        }

    def scores(self, network: Network, x: Tensor, steps: int) -> Tensor:
        """Scores by the unrolled network."""
        spikes = SurrogateSpikes(
            SURROGATES[self.surrogate], self.width, detach_reset=self.detach_reset
        )
        return network.run(x, steps, spikes)


class SurrogateSpikes(Spikes):
    """The exact law with a surrogate backward."""

    def __init__(self, derivative: Derivative, width: float, *, detach_reset: bool) -> None:
        self.derivative, self.width, self.detach_reset = derivative, width, detach_reset

    def fire(self, neuron: Neuron, h: Tensor) -> Tensor:
        """Exact spikes; backward by the surrogate."""
        fired: Tensor = _Fire.apply(h, neuron, self.derivative, self.width)  # type: ignore[no-untyped-call]
        return fired

    def step(self, name: str, neuron: Neuron, state: State, x: Tensor) -> tuple[Tensor, Tensor]:
        """One step with gradients."""
        return lif_step(neuron, state, x, self.fire, detach_reset=self.detach_reset)


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, h: Tensor, neuron: Neuron, derivative: Derivative, width: float
    ) -> Tensor:
        ctx.save_for_backward(h)
        ctx.rule = neuron, derivative, width
        return exact_fire(neuron, h)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (h,) = ctx.saved_tensors
        neuron, derivative, width = ctx.rule
        return grads[0] * derivative(h - neuron.threshold, width), None, None, None
