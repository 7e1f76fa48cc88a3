"""The temporal path: every step is backpropagated, only ``ds/dh`` is replaced."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from neurorobust.engine.dynamics import Neuron, State, exact_fire, lif_step
from neurorobust.engine.estimators.shapes import Derivative
from neurorobust.engine.network import Spikes

Slope = Callable[[Tensor], Tensor]
"""``h -> ds/dh`` at one node and step."""


class TemporalSpikes(Spikes):
    """The exact law with a surrogate backward.

    Args:
        detach_reset: Whether the gradient is kept from flowing through the reset.
    """

    def __init__(self, *, detach_reset: bool) -> None:
        self.detach_reset = detach_reset

    @abstractmethod
    def slope(self, name: str, neuron: Neuron, h: Tensor) -> Slope:
        """The derivative at the next step of the node ``name``, whose membrane is ``h``."""

    def step(self, name: str, neuron: Neuron, state: State, x: Tensor) -> tuple[Tensor, Tensor]:
        """One step with gradients."""

        def fire(neuron: Neuron, h: Tensor) -> Tensor:
            slope = self.slope(name, neuron, h.detach())
            fired: Tensor = _Fire.apply(h, neuron, slope)  # type: ignore[no-untyped-call]
            return fired

        return lif_step(neuron, state, x, fire, detach_reset=self.detach_reset)


class SurrogateSpikes(TemporalSpikes):
    """One shape and width for all neurons and steps.

    Args:
        derivative: See ``neurorobust.engine.estimators.shapes``.
        width: In units of the membrane, or of the threshold.
        detach_reset: Whether the gradient is kept from flowing through the reset.
        scale: Factor on the derivative.
        in_thresholds: Whether the membrane is taken in units of the threshold.
    """

    def __init__(
        self,
        derivative: Derivative,
        width: float,
        *,
        detach_reset: bool,
        scale: float = 1.0,
        in_thresholds: bool = False,
    ) -> None:
        super().__init__(detach_reset=detach_reset)
        self.derivative, self.width, self.scale = derivative, width, scale
        self.in_thresholds = in_thresholds

    def slope(self, name: str, neuron: Neuron, h: Tensor) -> Slope:
        """The same for every node."""

        def slope(h: Tensor) -> Tensor:
            u = h - neuron.threshold
            found = self.derivative(u / neuron.threshold if self.in_thresholds else u, self.width)
            return found if self.scale == 1 else self.scale * found

        return slope


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, neuron: Neuron, slope: Slope) -> Tensor:
        ctx.save_for_backward(h)
        ctx.slope = slope
        return exact_fire(neuron, h)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (h,) = ctx.saved_tensors
        return grads[0] * ctx.slope(h), None, None
