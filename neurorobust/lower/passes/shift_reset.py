"""Pass: a hard reset to ``r`` becomes one to 0, by counting the membrane from ``r``.

With ``v' = v - r``, in every step::

    h' = h - r = beta v' + i + bias - (1 - beta) r         s = h' > threshold - r

so threshold, lower bound and initial state move down by ``r`` and the bias by ``(1 - beta) r``. An
initial state equal to the reset value becomes 0. The spikes are the same, up to rounding.
"""

from dataclasses import replace

import numpy as np

from neurorobust.ir import LIF, Graph
from neurorobust.lower.log import Log, graph_pass


@graph_pass
def shift_reset(graph: Graph, log: Log) -> Graph:
    """The same spikes with every hard reset to 0; recorded membranes lie lower by ``r``."""
    nodes = dict(graph.nodes)
    for name, lif in graph.of_kind(LIF):
        target = lif.reset_to
        if lif.reset != "hard" or not target.any():
            continue
        nodes[name] = replace(
            lif,
            reset_value=None,
            threshold=lif.threshold - target,
            bias=lif.bias - (1 - lif.beta) * target,
            v_init=lif.v_init - target,
            v_min=None if lif.v_min is None else lif.v_min - target,
        )
        largest = float(target.flat[np.abs(target).argmax()])
        log.note(name, f"membrane counted from its reset value ({largest:g}), threshold and bias")
    return graph.with_(nodes=nodes)
