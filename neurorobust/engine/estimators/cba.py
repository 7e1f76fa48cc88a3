"""CBA: the activation of the converted network, at the values of the spiking one.

A network without time has ``clip(floor(I L / t + 1/2) / L, 0, 1)`` in place of a neuron of
threshold ``t``; the gradient passes the floor unchanged, which leaves ``1 / t`` within ``0..t`` for
any number of levels ``L``. The published attack takes this derivative where the network *without*
time is; scores and operating points then are not those of the spiking network. Here it is taken at
the mean currents of the spiking network, whose scores stay as they are.

Reference: Bu et al., Optimal ANN-SNN conversion for high-accuracy and ultra-low-latency spiking
neural networks, ICLR 2022 (the activation); named CBA in Hao et al., ICLR 2024.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neurorobust.engine.dynamics import Neuron
from neurorobust.engine.estimators.rate import RateEstimator, holds, mean_current


@dataclass(frozen=True)
class Cba(RateEstimator):
    """Slope of the clipped line from (0, 0) to (threshold, 1); leak and reset do not enter."""

    name: ClassVar[str] = "cba"
    title: ClassVar[str] = "CBA"
    cited: ClassVar[tuple[str, ...]] = ("hao2024threaten", "bu2022optimal")

    def gain(
        self, neuron: Neuron, drive: Tensor, spikes: Tensor, response: Tensor | None = None
    ) -> Tensor:
        """``1 / threshold`` where the mean current is in 0..threshold, times the DC gain."""
        current, slope = mean_current(neuron, drive)
        within = holds(torch.ge, current, 0).mul_(holds(torch.le, current, neuron.threshold))
        return slope * within / neuron.threshold
