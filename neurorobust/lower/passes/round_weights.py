"""Pass: weights on a symmetric integer grid, one scale per layer; everything else stays float."""

from dataclasses import replace

import numpy as np

from neurorobust.errors import LowerError
from neurorobust.ir import Affine, Conv1d, Conv2d, Graph


def round_weights(graph: Graph, bits: int) -> Graph:
    """``W -> s round(W / s)`` with ``s = max|W| / (2^(bits-1) - 1)``.

    Args:
        graph: The network.
        bits: Of a weight, sign included, at least 2.

    Raises:
        LowerError: for fewer bits.
    """
    if bits < 2:
        raise LowerError(f"weights of {bits} bit(s) hold no sign and magnitude; take at least 2")
    nodes = dict(graph.nodes)
    for name, node in graph.nodes.items():
        if isinstance(node, Affine | Conv1d | Conv2d) and node.weight.any():
            step = np.abs(node.weight).max() / (2 ** (bits - 1) - 1)
            nodes[name] = replace(node, weight=np.rint(node.weight / step) * step)
    return graph.with_(nodes=nodes)
