"""BPTR: backpropagation through rate.

The gain is 1 for a neuron that fired at least once, and 0 for a silent one, in units of the mean
current (gains and a synaptic filter multiply it by their DC gain). The release runs a neuron
without leak in this mode whatever the model's decay; here the forward pass is that of inference.

Reference: Ding, Bu, Yu, Huang, Liu, SNN-RAT: Robustness-enhanced spiking neural network through
regularized adversarial training, NeurIPS 2022.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neurorobust.engine.dynamics import Neuron
from neurorobust.engine.estimators.rate import RateEstimator, current_slope, holds, time_mean


@dataclass(frozen=True)
class Bptr(RateEstimator):
    """``1[the neuron fired]``."""

    name: ClassVar[str] = "bptr"
    title: ClassVar[str] = "BPTR"
    cited: ClassVar[tuple[str, ...]] = ("ding2022snnrat",)

    def gain(
        self, neuron: Neuron, drive: Tensor, spikes: Tensor, response: Tensor | None = None
    ) -> Tensor:
        """1 where there was a spike, times the DC gain from input to current."""
        slope = current_slope(neuron)
        return slope * holds(torch.gt, time_mean(spikes, slope.dtype), 0)
