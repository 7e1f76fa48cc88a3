"""What the networks of the zoo are made of."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import nn

from neurorobust import ir
from neurorobust.engine.layers import LI, LIF


def neuron(recipe: Mapping[str, Any]) -> ir.LIF:
    """With the recipe's ``beta`` and ``threshold``."""
    return ir.LIF(beta=np.array(recipe["beta"]), threshold=np.array(recipe["threshold"]))


def convolution(
    inputs: int, channels: int, kernel: int, spiking: Callable[[], LIF], *, stride: int = 1
) -> tuple[nn.Module, ...]:
    """A convolution that keeps the size but for its stride, batch norm, neurons."""
    weights = nn.Conv2d(inputs, channels, kernel, stride, kernel // 2, bias=False)
    return weights, nn.BatchNorm2d(channels), spiking()


def readout(recipe: Mapping[str, Any]) -> LI:
    """Integrators whose last state is the mean input over the recipe's ``steps``."""
    return LI(ir.LI(beta=np.array(1.0), gain_in=np.array(1 / recipe["steps"])))
