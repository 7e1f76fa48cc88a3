"""PDSG: a surrogate as wide as the membranes are spread.

``ds/dh`` is the normal density of ``u = h - threshold`` with mean ``sigma / 2`` and standard
deviation ``sigma``, where ``sigma`` is that of the membranes of all steps so far::

    scope     population (C, ...)                 population (N,)
    sample    per channel, over space             over all neurons
    batch     per channel, over space and batch   per neuron, over the batch

Where there is no spread, or no second value, it is 1.

Reference: Lun et al., Towards effective and sparse adversarial attack on spiking neural networks
via breaking invisible surrogate gradients, CVPR 2025.
"""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neurorobust.engine.dynamics import Neuron
from neurorobust.engine.estimators.base import Estimator
from neurorobust.engine.estimators.shapes import gaussian
from neurorobust.engine.estimators.temporal import Slope, TemporalSpikes
from neurorobust.engine.network import Network
from neurorobust.methods import option


@dataclass(frozen=True)
class Pdsg(Estimator):
    """Backpropagation through time with a density fitted to the membranes.

    Attributes:
        scope: ``sample`` (default), or ``batch`` as released: gradients of a sample then depend on
            the others.
        detach_reset: Whether the gradient is kept from flowing through the reset.
    """

    name: ClassVar[str] = "pdsg"
    title: ClassVar[str] = "PDSG"
    family: ClassVar[str] = "temporal"
    cited: ClassVar[tuple[str, ...]] = ("lun2025towards",)

    scope: str = option("sample", among=("sample", "batch"))
    _: KW_ONLY
    detach_reset: bool = option(default=False)

    def scores(self, network: Network, x: Tensor, steps: int) -> Tensor:
        """Scores by the unrolled network."""
        return network.run(x, steps, _PotentialSpikes(self.scope, detach_reset=self.detach_reset))


class _PotentialSpikes(TemporalSpikes):
    def __init__(self, scope: str, *, detach_reset: bool) -> None:
        super().__init__(detach_reset=detach_reset)
        self.scope = scope
        self.spreads: dict[str, _Spread] = {}

    def slope(self, name: str, neuron: Neuron, h: Tensor) -> Slope:
        space = tuple(range(2, h.ndim))
        over = (0, *space) if self.scope == "batch" else space or (1,)
        sigma = self.spreads.setdefault(name, _Spread()).update(h, over)

        def slope(h: Tensor) -> Tensor:
            return gaussian(h - neuron.threshold - 0.5 * sigma, sigma)

        return slope


class _Spread:
    """Running standard deviation (with Bessel's correction), by merging the steps' moments."""

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0, torch.zeros(()), torch.zeros(())

    def update(self, h: Tensor, over: tuple[int, ...]) -> Tensor:
        """The deviation over these axes and all steps so far, including ``h``."""
        double = h.double()
        variance, mean = torch.var_mean(double, dim=over, correction=0, keepdim=True)
        new = double.numel() // mean.numel()
        if self.count:
            total, shift = self.count + new, mean - self.mean
            self.squares = self.squares + variance * new + shift**2 * (self.count * new / total)
            self.mean, self.count = self.mean + shift * (new / total), total
        else:
            self.count, self.mean, self.squares = new, mean, variance * new
        sigma = (self.squares / max(self.count - 1, 1)).sqrt().to(h.dtype)
        return torch.where(sigma > 0, sigma, torch.ones_like(sigma))
