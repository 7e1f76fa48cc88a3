"""Parameters of neurons as arrays of a population, and element-wise factors as nodes."""

import numpy as np
from torch import Tensor

from neurorobust.errors import Unsupported
from neurorobust.ir import Affine, Array, Conv1d, Conv2d, Node, Shape
from neurorobust.ir.base import per_neuron_fault


def per_neuron(label: str, name: str, value: Tensor | float, population: Shape) -> Array:
    """A parameter that broadcasts to the population, without a batch axis.

    Raises:
        Unsupported: for a shape that does not.
    """
    array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    while array.ndim > len(population) and array.shape[0] == 1:
        array = array[0]
    if fault := per_neuron_fault(name, array, population):
        raise Unsupported(f"{label}: {fault}")
    found: Array = array
    return found


def factor(label: str, name: str, value: Array, population: Shape) -> Node:
    """``y = value * x``, neuron by neuron: a diagonal Affine, or a depthwise kernel of one tap.

    Raises:
        Unsupported: for a factor per pixel.
    """
    if len(population) == 1:
        return Affine(weight=np.diag(np.broadcast_to(value, population)))
    kinds = {2: Conv1d, 3: Conv2d}
    if len(population) in kinds and value.size in (1, *value.shape[:1]):
        channels = np.broadcast_to(value.reshape(-1), population[:1])
        taps = channels.reshape(-1, *(1,) * len(population))
        return kinds[len(population)](weight=taps, groups=population[0])
    msg = (
        f"{label}: {name} has shape {value.shape} for a population {population}; known are one "
        "for all, one per channel, or one per neuron of a flat population"
    )
    raise Unsupported(msg)
