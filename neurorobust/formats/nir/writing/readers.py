"""Profiles ``portable``, ``snntorch``, ``norse``: files for readers that know NIR's nodes only.

What a reader would drop, add or read otherwise is refused: none of them says so itself.
"""

from collections.abc import Iterable

import numpy as np

from neurorobust.errors import Refusal, Unsupported, grouped
from neurorobust.formats.nir.document import Entry
from neurorobust.formats.nir.writing.maps import plain_entry, without_entry
from neurorobust.formats.nir.writing.norse_order import norse_edges
from neurorobust.formats.nir.writing.reader_neurons import neuron_entry, neuron_faults
from neurorobust.ir import LI, LIF, Array, Conv1d, Conv2d, Edge, Graph, Node, Pool2d


def reader_entry(graph: Graph, profile: str, dt_s: float) -> Entry:
    """The file's graph, for a reader that takes steps of ``dt_s``.

    Raises:
        Unsupported: naming everything that a reader of the profile cannot carry exactly.
    """
    faults = [Refusal(None, "wiring", text) for text in _wiring_faults(graph)]
    faults += _reset_faults(graph)
    edges: Iterable[Edge] = sorted(graph.edges)
    if profile == "norse":
        edges, more = norse_edges(graph)
        faults += [Refusal(None, "wiring", text) for text in more]
    elif any(edge.delay for edge in graph.edges):
        way_out = "use 'norse' for recurrence by one step" if graph.recurrent else "use 'strict'"
        why = "edge delays: snnTorch has none and cannot read loops"
        faults.append(Refusal(None, "delay", why, way_out))
    nodes: dict[str, Entry] = {}
    for name, node in graph.nodes.items():
        own = [Refusal(name, "node", fault) for fault in _node_faults(node, profile)]
        faults += own
        if own:
            continue
        if isinstance(node, LIF):
            nodes[name] = neuron_entry(node, graph.shapes[name], profile, dt_s)
        elif entry := plain_entry(graph, name, _as_float, always_bias=True):
            nodes[name] = entry
        else:
            faults.append(without_entry(name, node))
    if faults:
        msg = f"profile {profile!r} cannot carry this Graph exactly:\n{grouped(faults)}"
        raise Unsupported(msg, faults)
    pairs = tuple((edge.source, edge.target) for edge in edges)
    return Entry(kind="NIRGraph", nodes=nodes, edges=pairs)


def _node_faults(node: Node, profile: str) -> Iterable[str]:
    match node:
        case LIF():
            yield from neuron_faults(node, profile)
        case LI():
            yield "readers drop or refuse LI; read out spikes, or use 'strict'"
        case Conv1d() if profile != "snntorch":
            yield "Norse drops Conv1d without a word; use 'snntorch' or 'strict'"
        case Pool2d(op="avg") if profile != "snntorch":
            yield "Norse drops AvgPool2d without a word; pool by sum, or use 'snntorch'"
        case Pool2d(op="sum") if any(node.padding):
            yield "readers ignore the padding of SumPool2d"
    if isinstance(node, Conv1d | Conv2d) and node.groups != 1:
        yield "nir and readers get grouped convolutions wrong; use 'strict'"
    if isinstance(node, Conv2d) and len(set(node.weight.shape[2:])) > 1:
        yield f"nir gets the shape of kernel {node.weight.shape[2:]} wrong; pad it to a square"


def _wiring_faults(graph: Graph) -> Iterable[str]:
    if graph.header.mean or graph.header.std:
        yield (
            "header: readers know no mean and std; leave them out of the header and feed values "
            "that are normalised already"
        )
    if len(graph.incoming(graph.output)) > 1:
        yield "edges that meet in the Output: SpikingJelly and snnTorch do not add them"
    if len({(e.source, e.target) for e in graph.edges}) < len(graph.edges):
        yield "two edges between the same nodes, which NIR does not allow"
    plain = {name.replace(".", "_") for name in graph.nodes}
    if len(plain) < len(graph.nodes):
        yield "names that differ only in '.' and '_', which readers take for the same"


def _reset_faults(graph: Graph) -> Iterable[Refusal]:
    """Norse resets all CubaLIF alike, and LIF hard."""
    if all(node.reset != "soft" for _, node in graph.of_kind(LIF)):
        return
    for name, node in graph.of_kind(LIF):
        some_still = (node.beta == 1).any() and not (node.beta == 1).all()
        if node.reset == "hard" and (node.alpha is not None or some_still):
            why = "hard reset beside soft ones, which Norse would make soft as well"
            yield Refusal(name, "reset", why)


def _as_float(value: Array) -> Array:
    """Numbers that torch takes as weights."""
    if value.dtype.kind == "f" and value.dtype.itemsize >= 4:
        return value
    return value.astype(np.float32 if value.dtype.itemsize <= 2 else np.float64)
