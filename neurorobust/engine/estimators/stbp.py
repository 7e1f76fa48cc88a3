"""STBP: backpropagation through time with a surrogate derivative of the spike.

Reference: Wu et al., Spatio-temporal backpropagation for training high-performance spiking
neural networks, 2018; Neftci, Mostafa, Zenke, Surrogate gradient learning in spiking neural
networks, 2019. ``piecewise_linear``: Sharmin et al., Inherent adversarial robustness of deep
spiking neural networks, ECCV 2020.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from neurorobust.engine.estimators.base import Estimator
from neurorobust.engine.estimators.shapes import IN_THRESHOLDS, derivative_of, require_positive
from neurorobust.engine.estimators.temporal import SurrogateSpikes
from neurorobust.engine.network import Network


class Stbp(Estimator):
    """Every step is backpropagated; ``ds/dh`` is replaced by a surrogate of ``h - threshold``.

    Args:
        surrogate: A name in ``SURROGATES``.
        width: Width of the surrogate, above 0; in units of the membrane (``piecewise_linear``: of
            the threshold).
        scale: Factor on the surrogate, above 0.
        detach_reset: Whether the gradient is kept from flowing through the reset.
    """

    name: ClassVar[str] = "stbp"

    def __init__(
        self,
        surrogate: str = "triangle",
        width: float = 1.0,
        *,
        scale: float = 1.0,
        detach_reset: bool = False,
    ) -> None:
        self.derivative = derivative_of(surrogate)
        require_positive(width=width, scale=scale)
        self.surrogate, self.width, self.scale = surrogate, width, scale
        self.detach_reset = detach_reset

    def parameters(self) -> Mapping[str, Any]:
        """Shape, width, scale and reset path."""
        return self.record(
            surrogate=self.surrogate,
            width=self.width,
            scale=self.scale,
            detach_reset=self.detach_reset,
        )

    def scores(self, network: Network, x: Tensor, steps: int) -> Tensor:
        """Scores by the unrolled network."""
        spikes = SurrogateSpikes(
            self.derivative,
            self.width,
            detach_reset=self.detach_reset,
            scale=self.scale,
            in_thresholds=self.surrogate in IN_THRESHOLDS,
        )
        return network.run(x, steps, spikes)
