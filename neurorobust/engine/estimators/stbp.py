"""STBP: backpropagation through time with a surrogate derivative of the spike.

Reference: Wu et al., Spatio-temporal backpropagation for training high-performance spiking
neural networks, 2018; Neftci, Mostafa, Zenke, Surrogate gradient learning in spiking neural
networks, 2019. ``piecewise_linear``: Sharmin et al., Inherent adversarial robustness of deep
spiking neural networks, ECCV 2020.
"""

import math
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from torch import Tensor

from neurorobust.engine.estimators.base import Estimator
from neurorobust.engine.estimators.shapes import IN_THRESHOLDS, SURROGATES
from neurorobust.engine.estimators.temporal import SurrogateSpikes
from neurorobust.engine.network import Network
from neurorobust.methods import option


@dataclass(frozen=True)
class Stbp(Estimator):
    """Every step is backpropagated; ``ds/dh`` is replaced by a surrogate of ``h - threshold``.

    Attributes:
        surrogate: A name in ``SURROGATES``.
        width: Width of the surrogate, above 0; in units of the membrane (``piecewise_linear``: of
            the threshold).
        scale: Factor on the surrogate, above 0.
        detach_reset: Whether the gradient is kept from flowing through the reset.
    """

    name: ClassVar[str] = "stbp"
    title: ClassVar[str] = "STBP"
    family: ClassVar[str] = "temporal"
    cited: ClassVar[tuple[str, ...]] = ("wu2018spatio", "neftci2019surrogate")

    surrogate: str = option("triangle", among=SURROGATES)
    width: float = option(1.0, above=0, below=math.inf)
    _: KW_ONLY
    scale: float = option(1.0, above=0, below=math.inf)
    detach_reset: bool = option(default=False)

    def scores(self, network: Network, x: Tensor, steps: int) -> Tensor:
        """Scores by the unrolled network."""
        spikes = SurrogateSpikes(
            SURROGATES[self.surrogate],
            self.width,
            detach_reset=self.detach_reset,
            scale=self.scale,
            in_thresholds=self.surrogate in IN_THRESHOLDS,
        )
        return network.run(x, steps, spikes)
