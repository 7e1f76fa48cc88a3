"""A network in two parts: what the host computes, and what the chip receives."""

from collections.abc import Iterator
from dataclasses import dataclass

from neurorobust.chips.arithmetic import InputCoding
from neurorobust.ir import Edge, Graph, Node, Output
from neurorobust.ir.edges import chain_edges


@dataclass(frozen=True, slots=True)
class Coded:
    """A network in two parts.

    Attributes:
        graph: What is lowered; its Input is what the chip receives.
        host: What is computed before, in floats.
        coding: How the input is coded.
        first: The population that the host computes, with the coding ``host``.
    """

    graph: Graph
    host: Graph | None = None
    coding: InputCoding = "graded"
    first: str = ""


def reached(graph: Graph) -> Iterator[str]:
    """What the input reaches, up to populations, which are included."""
    ahead, seen = [graph.input], {graph.input}
    while ahead:
        name = ahead.pop()
        for edge in graph.outgoing(name):
            if edge.target not in seen:
                seen.add(edge.target)
                yield edge.target
                if not graph.nodes[edge.target].population:
                    ahead.append(edge.target)


def host_graph(
    graph: Graph, kept: dict[str, Node], edges: list[Edge], ends: list[str], tail: dict[str, Node]
) -> Graph:
    """Nodes of a network with what follows their ends, up to an Output of the host's own."""
    names = [_fresh(graph, name) for name in (*tail, "sent")]
    added = dict(zip(names, (*tail.values(), Output()), strict=True))
    chain = [*(Edge(end, names[0]) for end in ends), *chain_edges(names)]
    return Graph(header=graph.header, nodes=kept | added, edges=(*edges, *chain))


def _fresh(graph: Graph, name: str) -> str:
    while name in graph.nodes:
        name += "_"
    return name
