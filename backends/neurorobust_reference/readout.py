"""From what arrives at the Output over time to one score per class."""

import numpy as np

from neurorobust.ir import Array
from neurorobust.ir.ports import Readout


def read_out(arrived: Array, readout: Readout) -> Array:
    """Scores, shape (B, classes), float64.

    Args:
        arrived: Shape (B, T, classes): spikes, or membranes of a readout layer.
        readout: ``count`` sums over the steps, ``mean`` averages, ``last`` takes the final step,
            ``max`` the largest, ``first`` gives ``T - step of the first spike`` (0 without one).
    """
    arrived = arrived.astype(np.float64)
    if readout == "count":
        scores = arrived.sum(axis=1)
    elif readout == "mean":
        scores = arrived.mean(axis=1)
    elif readout == "last":
        scores = arrived[:, -1]
    elif readout == "max":
        scores = arrived.max(axis=1)
    else:
        fired = arrived > 0
        steps = arrived.shape[1]
        scores = np.where(fired.any(axis=1), steps - fired.argmax(axis=1), 0)
    return np.asarray(scores, np.float64)
