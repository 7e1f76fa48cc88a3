"""BPTR: backpropagation through rate.

The gain is 1 for a neuron that fired at least once, and 0 for a silent one, in units of the mean
current (gains and a synaptic filter multiply it by their DC gain). The release runs a neuron
without leak in this mode whatever the model's decay; here the forward pass is that of inference.

Reference: Ding, Bu, Yu, Huang, Liu, SNN-RAT: Robustness-enhanced spiking neural network through
regularized adversarial training, NeurIPS 2022.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from neurorobust.engine.dynamics import Neuron
from neurorobust.engine.estimators.rate import RateEstimator, current_slope, holds, time_mean


class Bptr(RateEstimator):
    """``1[the neuron fired]``.

    Args:
        collapse: One frame where that is exact, or always T steps.
        precision: None or ``bf16``; see ``RateEstimator``.
    """

    name: ClassVar[str] = "bptr"

    def parameters(self) -> Mapping[str, Any]:
        """The precision."""
        return self.record()

    def gain(
        self, neuron: Neuron, drive: Tensor, spikes: Tensor, response: Tensor | None = None
    ) -> Tensor:
        """1 where there was a spike, times the DC gain from input to current."""
        slope = current_slope(neuron)
        return slope * holds(torch.gt, time_mean(spikes, slope.dtype), 0)
