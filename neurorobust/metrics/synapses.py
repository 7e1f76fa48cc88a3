"""How many synapses each input of a linear layer reaches: the ground of every count of operations.

Borders are exact: an input near the edge of a map lies in fewer windows than one in its middle.
"""

from dataclasses import dataclass

import numpy as np

from neurorobust.ir import Affine, Array, FixedDelayDense, FixedDense, Node, Shape
from neurorobust.ir.linear import Conv

Synapse = Affine | Conv | FixedDense
"""Nodes whose weights NeuroBench counts; a FixedConv2d is a Conv, a FixedDelayDense is dense."""


@dataclass(frozen=True, slots=True, eq=False)
class FanOut:
    """Synapses from each input, in the shape of one input; int64.

    Attributes:
        delay: Steps that these synapses wait.
        connected: Those whose weight is not 0.
        dense: All of them.
    """

    delay: int
    connected: Array
    dense: Array


def acting_weight(node: Synapse) -> Array:
    """The weights that act; of a FixedDense after dropping what is not stored."""
    return node.effective_weight if isinstance(node, FixedDense) else node.weight


def fan_out(node: Synapse, shape: Shape) -> tuple[FanOut, ...]:
    """The synapses of a node by their delay; one entry but for a FixedDelayDense.

    Args:
        node: The layer.
        shape: Of its input, without batch and time.
    """
    weight = acting_weight(node)
    connected, every = weight != 0, np.ones(weight.shape, np.bool_)
    if isinstance(node, Conv):
        return (FanOut(0, _windows(node, connected, shape), _windows(node, every, shape)),)
    if isinstance(node, FixedDelayDense):
        return tuple(
            FanOut(int(delay), (connected & waits).sum(0), waits.sum(0))
            for delay in np.unique(node.delay)
            for waits in (node.delay == delay,)
        )
    return (FanOut(0, connected.sum(0), every.sum(0)),)


def is_synapse(node: Node) -> bool:
    """Whether a node holds weights between populations."""
    return isinstance(node, Affine | Conv | FixedDense)


def _windows(node: Conv, mask: Array, shape: Shape) -> Array:
    """Per input, over the taps of the kernel: windows that have it there, times filters."""
    out, kernel = node.output_shape(shape)[1:], mask.shape[2:]
    grouped = mask.reshape(node.groups, -1, *mask.shape[1:]).sum(1)
    filters = grouped.reshape(shape[0], *kernel)
    found = np.zeros(shape, np.int64)
    for tap in np.ndindex(*kernel):
        axes = zip(out, node.stride, tap, node.dilation, node.padding, shape[1:], strict=True)
        at = [_inside(np.arange(n) * s + k * d - p, size) for n, s, k, d, p, size in axes]
        per_channel = filters[(slice(None), *tap)].reshape(-1, *(1,) * len(kernel))
        found[np.ix_(np.arange(shape[0]), *at)] += per_channel
    return found


def _inside(positions: Array, size: int) -> Array:
    return positions[(positions >= 0) & (positions < size)]
