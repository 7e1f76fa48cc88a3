"""Profile ``strict``: every node as NIR's own equations say it, under Euler at the Graph's step.

With ``l = 1 - beta`` and the input gain g of a neuron::

    tau = dt/l    r = g/l    v_leak = bias/l    v_threshold, v_reset as they are
    CubaLIF: tau_syn = dt/(1 - alpha), w_in = gain_in/(1 - alpha), r = gain_syn/l
    beta = 1 without bias: IF, I with r = g/dt; where only some are 1, l = 2**-100
"""

import numpy as np

from neurorobust.errors import Unsupported, grouped
from neurorobust.formats.nir.document import Entry
from neurorobust.formats.nir.writing.maps import plain_entry, without_entry
from neurorobust.ir import LI, LIF, Array, Edge, Graph, Shape

STILL = 2.0**-100
"""Leak per step of a neuron that does not leak: too small to change any number."""


def strict_entry(graph: Graph) -> Entry:
    """The file's graph.

    Raises:
        Unsupported: naming the nodes that NIR cannot hold.
    """
    nodes: dict[str, Entry] = {}
    faults = []
    for name, node in graph.nodes.items():
        if isinstance(node, LIF | LI):
            nodes[name] = _neuron(node, graph.shapes[name], graph.header.dt_s)
        elif entry := plain_entry(graph, name, np.asarray, always_bias=False):
            nodes[name] = entry
        else:
            faults.append(without_entry(name, node))
    if faults:
        raise Unsupported(f"NIR cannot carry this Graph exactly:\n{grouped(faults)}", faults)
    edges = _edges(graph, nodes)
    return Entry(kind="NIRGraph", nodes=nodes, edges=tuple(edges))


def full(value: Array | float, shape: Shape) -> Array:
    """One double per neuron."""
    return np.broadcast_to(np.asarray(value, np.float64), shape).copy()


def leak_of(decay: Array) -> Array:
    """``1 - decay``, never 0."""
    leak = 1 - decay.astype(np.float64)
    return np.where(leak > 0, leak, STILL)


def _neuron(node: LIF | LI, shape: Shape, dt_s: float) -> Entry:
    leak = leak_of(node.beta)
    values: dict[str, Array | float] = {}
    if isinstance(node, LIF):
        hard = node.reset == "hard"
        values = {
            "v_threshold": node.threshold,
            "v_reset": node.reset_to if hard else 0.0,
        }
    if isinstance(node, LIF) and node.alpha is not None:
        fast = leak_of(node.alpha)
        values |= {
            "tau_syn": dt_s / fast,
            "tau_mem": dt_s / leak,
            "w_in": node.gain_in / fast,
            "r": node.gain_syn / leak,
            "v_leak": node.bias / leak,
        }
        return neurons("CubaLIF", values, shape)
    gain = node.gain_in.astype(np.float64)
    if isinstance(node, LIF):
        gain = gain * node.gain_syn
    if (node.beta == 1).all() and not node.bias.any():
        kind = "IF" if isinstance(node, LIF) else "I"
        return neurons(kind, values | {"r": gain / dt_s}, shape)
    values |= {"tau": dt_s / leak, "r": gain / leak, "v_leak": node.bias / leak}
    return neurons(node.kind, values, shape)


def neurons(kind: str, values: dict[str, Array | float], shape: Shape) -> Entry:
    """A NIR node with one double per neuron."""
    return Entry(kind=kind, values={key: full(value, shape) for key, value in values.items()})


def _edges(graph: Graph, nodes: dict[str, Entry]) -> list[tuple[str, str]]:
    """Pairs of names; a delay, and a second edge between the same two, becomes a Delay node."""
    pairs: list[tuple[str, str]] = []
    for edge in graph.edges:
        pair = (edge.source, edge.target)
        if not edge.delay and pair not in pairs:
            pairs.append(pair)
            continue
        name = _free_name(edge, nodes)
        delay = full(edge.delay * graph.header.dt_s, graph.shapes[edge.source])
        nodes[name] = Entry(kind="Delay", values={"delay": delay})
        pairs += [(edge.source, name), (name, edge.target)]
    return pairs


def _free_name(edge: Edge, nodes: dict[str, Entry]) -> str:
    wanted = name = f"{edge.source}.delay{edge.delay}.{edge.target}"
    count = 1
    while name in nodes:
        count += 1
        name = f"{wanted}.{count}"
    return name
