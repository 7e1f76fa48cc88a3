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

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from neurorobust.engine.dynamics import Neuron
from neurorobust.engine.estimators.rate import RateEstimator, current_slope
from neurorobust.engine.estimators.shapes import SURROGATES
from neurorobust.methods import option


@dataclass(frozen=True)
class Hart(RateEstimator):
    """Time mean of a surrogate derivative.

    Without loops the steps of the gradient are averaged after the product, as above. In a network
    with loops the two are averaged apart, since the gradient of a later step is not known yet.

    Attributes:
        gamma: Width of the surrogate in units of the membrane, above 0.
        surrogate: A name in ``SURROGATES``.
    """

    name: ClassVar[str] = "hart"
    title: ClassVar[str] = "HART"
    cited: ClassVar[tuple[str, ...]] = ("hao2024threaten",)

    gamma: float = option(1.0, above=0, below=math.inf)
    surrogate: str = option("triangle", among=SURROGATES)

    def respond(self, neuron: Neuron, h: Tensor) -> Tensor:
        """The surrogate derivative of one step."""
        return SURROGATES[self.surrogate](h - neuron.threshold, self.gamma)

    def gain(
        self, neuron: Neuron, drive: Tensor, spikes: Tensor, response: Tensor | None = None
    ) -> Tensor:
        """The response, times the DC gain from input to current."""
        assert response is not None  # noqa: S101  # respond gives one
        return current_slope(neuron) * response
