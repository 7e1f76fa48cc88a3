"""Where the spikes of a neuron change, in the units of its membrane."""

import numpy as np

from neurorobust.ir.base import Array, Node
from neurorobust.ir.fixed import STATE_SHIFT, FixedLIF, FixedTernaryLIF
from neurorobust.ir.neurons import LIF


def thresholds(node: Node) -> tuple[Array, ...]:
    """Of a neuron: one, or the lower and the upper of a ternary one; none of what does not fire."""
    if isinstance(node, FixedLIF):
        return (node.vth.astype(np.int64) << STATE_SHIFT,)
    if isinstance(node, FixedTernaryLIF):
        low, high = (v.astype(np.int64) << STATE_SHIFT for v in (node.vth_low, node.vth_high))
        return low, high
    return (node.threshold,) if isinstance(node, LIF) else ()


def nearest_threshold(node: Node, membrane: Array) -> Array | None:
    """The membrane at which spikes change that is nearest to each given one, or None without any.

    Of several spikes per step it is a multiple of the threshold, of a ternary neuron the nearer of
    both. It broadcasts to the membranes.

    Args:
        node: A neuron.
        membrane: Before reset, (..., *population).
    """
    found = thresholds(node)
    if not found:
        return None
    if isinstance(node, LIF) and node.max_spikes > 1:
        (one,) = found
        return np.asarray(one * np.clip(np.rint(membrane / one), 1, node.max_spikes))
    if len(found) == 1:
        return found[0]
    low, high = found
    return np.where(np.abs(membrane - low) < np.abs(membrane - high), low, high)
