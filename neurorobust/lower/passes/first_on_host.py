"""Pass: the first population runs on the host, and the chip receives its spikes."""

from dataclasses import replace

from neurorobust.ir import LIF, Flatten, Graph, Input, Node
from neurorobust.lower.host_part import Coded, host_graph, reached
from neurorobust.lower.log import Log


def first_on_host(graph: Graph, first: str, log: Log) -> Coded | None:
    """Cut behind a population.

    Args:
        graph: As trained.
        first: The only population that the input reaches.
        log: Takes refusals.

    Returns:
        None if the cut is refused.
    """
    neuron = graph.nodes[first]
    before = _ancestors(graph, first) | {first}
    inside = before | set(reached(graph))
    strangers = sorted(n for n in before - {first} if graph.nodes[n].population)
    leaks = sorted(
        edge.source
        for edge in graph.edges
        if edge.source in inside - {first} and edge.target not in inside
    )
    behind = {edge.target for edge in graph.outgoing(first)} - inside
    faults = {
        "gives no spikes that could be sent": not isinstance(neuron, LIF),
        f"depends on {strangers} as well; the host computes one population": bool(strangers),
        f"{leaks} also feed what stays on the chip": bool(leaks),
        "is all there is; nothing would be left for the chip": not any(
            node.population for name, node in graph.nodes.items() if name not in inside
        ),
        "feeds nothing on the chip": not behind,
    }
    if broken := [why for why, found in faults.items() if found]:
        for why in broken:
            log.refuse(first, f"{why}; take input_coding='graded' or 'bias'")
        return None
    assert isinstance(neuron, LIF)  # noqa: S101  # a fault otherwise
    shape, most = graph.shapes[first], neuron.max_spikes
    kept = {name: node for name, node in graph.nodes.items() if name in inside}
    edges = [edge for edge in graph.edges if edge.source in inside and edge.target in inside]
    tail: dict[str, Node] = {"sent.flat": Flatten()} if len(shape) > 1 else {}
    host = host_graph(graph, kept, edges, [first], tail)
    header = replace(
        graph.header,
        coding="events",
        bounds=(0.0, float(most)),
        levels=most + 1,
        mean=(),
        std=(),
    )
    nodes: dict[str, Node] = {graph.input: Input(shape=shape)}
    nodes |= {name: node for name, node in graph.nodes.items() if name not in inside}
    crossing = [
        replace(edge, source=graph.input) if edge.source == first else edge
        for edge in graph.edges
        if edge.target not in inside
    ]
    rest = Graph(header=header, nodes=nodes, edges=tuple(crossing))
    return Coded(rest, host, "host", first)


def _ancestors(graph: Graph, name: str) -> set[str]:
    found: set[str] = set()
    ahead = [name]
    while ahead:
        for edge in graph.incoming(ahead.pop()):
            if edge.source not in found:
                found.add(edge.source)
                ahead.append(edge.source)
    return found
