"""HART: the hybrid of rate and temporal gradients.

The gain is the time mean of a surrogate derivative of the membrane, while the membrane's memory
carries no gradient::

    dL/dI = mean_t( dL/ds[t] h(v[t] - threshold) )

A wide surrogate makes it a rate gradient, a narrow one weighs the steps in which a neuron is close
to firing. The release searches the width from 0.10 to 2.45 for the highest success on the test
samples themselves; here ``tune`` records the split it was given.

Reference: Hao, Bu, Shi, Huang, Yu, Huang, Threaten spiking neural networks through combining rate
and temporal information, ICLR 2024.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from neurorobust.engine.dynamics import Neuron
from neurorobust.engine.estimators.rate import RateEstimator, current_slope
from neurorobust.engine.estimators.shapes import derivative_of, require_positive


class Hart(RateEstimator):
    """Time mean of a surrogate derivative.

    Without loops the steps of the gradient are averaged after the product, as above. In a network
    with loops the two are averaged apart, since the gradient of a later step is not known yet.

    Args:
        gamma: Width of the surrogate in units of the membrane, above 0.
        surrogate: A name in ``SURROGATES``.
        collapse: One frame where that is exact, or always T steps.
        precision: None or ``bf16``; see ``RateEstimator``.
    """

    name: ClassVar[str] = "hart"

    def __init__(
        self,
        gamma: float = 1.0,
        surrogate: str = "triangle",
        *,
        collapse: bool = True,
        precision: str | None = None,
    ) -> None:
        super().__init__(collapse=collapse, precision=precision)
        self.derivative = derivative_of(surrogate)
        require_positive(gamma=gamma)
        self.gamma, self.surrogate = gamma, surrogate

    def parameters(self) -> Mapping[str, Any]:
        """Width, shape and precision."""
        return self.record(gamma=self.gamma, surrogate=self.surrogate)

    def respond(self, neuron: Neuron, h: Tensor) -> Tensor:
        """The surrogate derivative of one step."""
        return self.derivative(h - neuron.threshold, self.gamma)

    def gain(
        self, neuron: Neuron, drive: Tensor, spikes: Tensor, response: Tensor | None = None
    ) -> Tensor:
        """The response, times the DC gain from input to current."""
        assert response is not None  # noqa: S101  # respond gives one
        return current_slope(neuron) * response
