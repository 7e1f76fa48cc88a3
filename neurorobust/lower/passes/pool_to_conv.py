"""Pass: average and sum pooling become convolutions with one kernel per channel.

Exact; an average over a window of three divides by rounding. Channels are independent groups of the
convolution. A target counts groups in seven bits, and more silently give zeros there: beyond 127
channels go together in the largest number of groups that divides them, with zeros between channels.
A maximum is no sum of its inputs and is refused.
"""

from dataclasses import replace

import numpy as np

from neurorobust.ir import Array, Conv2d, Graph, Pool2d
from neurorobust.lower.log import Log, graph_pass
from neurorobust.lower.population.limits import GROUPS_MAX

_AVERAGE = (
    "train with average pooling or, over spikes, put a Conv2d of ones and a LIF with beta 0 and "
    "threshold 0, which fires where any of them fires"
)


@graph_pass
def pool_to_conv(graph: Graph, log: Log) -> Graph:
    """The same network without average and sum pooling, and without more than 127 groups.

    Returns:
        A new Graph, or the same if there is nothing to do.
    """
    nodes = dict(graph.nodes)
    for name, pool in graph.of_kind(Pool2d):
        if pool.op == "max":
            log.refuse(name, "pooling", "takes a maximum, which is no weighted sum", _AVERAGE)
            continue
        channels = graph.shapes[name][0]
        share = 1.0 if pool.op == "sum" else 1 / (pool.kernel[0] * pool.kernel[1])
        nodes[name] = Conv2d(
            weight=np.full((channels, 1, *pool.kernel), share),
            stride=pool.stride,
            padding=pool.padding,
            groups=channels,
        )
        log.note(name, f"{pool.op} pooling as a convolution")
    for name, node in nodes.items():
        if isinstance(node, Conv2d) and node.groups > GROUPS_MAX:
            groups = max(g for g in range(1, GROUPS_MAX + 1) if node.groups % g == 0)
            weight = regrouped(node.weight, node.groups, groups)
            nodes[name] = replace(node, weight=weight, groups=groups)
            log.note(name, f"{node.groups} groups as {groups}")
    changed = any(nodes[name] is not node for name, node in graph.nodes.items())
    return graph.with_(nodes=nodes) if changed else graph


def regrouped(weight: Array, groups: int, fewer: int) -> Array:
    """Kernels (out, in / groups, ...) as the same map in fewer groups, zeros between the old ones.

    Args:
        weight: Of a convolution with ``groups`` groups.
        groups: Of the given weight.
        fewer: A divisor of ``groups``.
    """
    if groups == fewer:
        return weight
    out, each = weight.shape[:2]
    together = groups // fewer
    wide = np.zeros((out, each * together, *weight.shape[2:]), weight.dtype)
    for k in range(out):
        start = k * groups // out % together * each
        wide[k, start : start + each] = weight[k]
    return wide
