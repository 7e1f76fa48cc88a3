"""Which LIF a neuron of snnTorch 1.0.0 is as it stands: for the backend and for generated code."""

import numpy as np
from numpy.typing import DTypeLike

from neurorobust.ir import LIF, Array


def firing_threshold(node: LIF, dtype: DTypeLike = np.float32) -> Array:
    """The number that the membrane must exceed: for ``>=`` the next one below the threshold.

    Args:
        node: The population.
        dtype: In which snnTorch computes, float32 or float64.
    """
    threshold = node.threshold.astype(dtype)
    if node.compare == ">=":
        return np.asarray(np.nextafter(threshold, np.asarray(-np.inf, dtype)))
    return threshold


def own_mechanism(node: LIF, dtype: DTypeLike = np.float32) -> str | None:
    """The ``reset_mechanism`` of snnTorch that is this node's law, or None.

    snnTorch derives the reset from the *stored* membrane, not from the last spike. The two differ
    when a membrane lies above the threshold without a spike: from the start, or because 0 does.

    Args:
        node: The population.
        dtype: In which snnTorch computes, float32 or float64.
    """
    lines_of_ours = (
        bool(node.bias.any())
        or node.v_min is not None
        or node.refractory > 0
        or (node.alpha is not None and bool((node.gain_syn != 1).any()))
    )
    threshold = firing_threshold(node, dtype)
    above = bool((node.v_init.astype(dtype) > threshold).any() or (threshold < 0).any())
    if lines_of_ours or above:
        return None
    if node.reset == "none":
        return "none"
    if node.reset == "hard" and not node.reset_to.any():
        # Leaky "zero" zeroes before it integrates: for it both timings would be the same step.
        return "zero" if node.reset_timing == "same" or node.alpha is not None else None
    by_threshold = node.compare == ">" and bool((node.reset_to == node.threshold).all())
    if node.reset == "soft" and node.reset_timing == "next" and by_threshold:
        return "subtract"
    return None
