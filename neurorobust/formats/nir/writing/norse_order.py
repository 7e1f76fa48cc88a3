"""In which order Norse runs the nodes of a NIR file, and which delays follow from it.

Its reader goes depth first from the Input, in the order of the edges, and runs nodes as it first
meets them. A node takes from each source what it has given in this step, or, if it has not run yet,
what it gave in the step before (nothing in the first). What the last node gives is the output::

    delay of an edge = 0 if its source runs before its target, else 1
"""

from collections.abc import Iterator

from neurorobust.ir import Affine, Conv1d, Conv2d, Edge, Graph
from neurorobust.ir.edges import topological_order


def norse_edges(graph: Graph) -> tuple[list[Edge], list[str]]:
    """Edges in an order that Norse runs as the Graph says; and faults where there is none."""
    edges = _delays_behind_weights(graph)
    rank = {name: k for k, name in enumerate(topological_order(graph.nodes, edges))}
    ahead = _reaching(graph.output, [edge for edge in edges if not edge.delay])
    edges.sort(key=lambda e: (rank[e.source], e.target in ahead, rank[e.target]))
    met = {name: k for k, name in enumerate(_depth_first(graph.input, edges))}
    faults = [
        f"edge {e.source} -> {e.target}: Norse gives it a delay of {late}, the Graph has {e.delay}"
        for e in edges
        if (late := int(met[e.source] >= met[e.target])) != e.delay
    ]
    if met[graph.output] != len(met) - 1:
        faults.append(f"{graph.output}: Norse runs other nodes after it and returns their output")
    return edges, faults


def _delays_behind_weights(graph: Graph) -> list[Edge]:
    """The edges, a delay before weights without bias moved behind them, which is the same."""
    edges = list(graph.edges)
    for name, node in graph.nodes.items():
        if isinstance(node, Affine | Conv1d | Conv2d) and node.bias is None:
            into, out = graph.incoming(name), graph.outgoing(name)
            if len(into) == len(out) == 1 and into[0].delay and not out[0].delay:
                edges[edges.index(into[0])] = Edge(into[0].source, name)
                edges[edges.index(out[0])] = Edge(name, out[0].target, into[0].delay)
    return edges


def _reaching(name: str, edges: list[Edge]) -> set[str]:
    """Nodes from which a path leads to a node, and itself."""
    found, ahead = {name}, [name]
    while ahead:
        target = ahead.pop()
        fresh = [e.source for e in edges if e.target == target and e.source not in found]
        found.update(fresh)
        ahead += fresh
    return found


def _depth_first(name: str, edges: list[Edge], seen: set[str] | None = None) -> Iterator[str]:
    seen = set() if seen is None else seen
    if name in seen:
        return
    seen.add(name)
    yield name
    for edge in edges:
        if edge.source == name:
            yield from _depth_first(edge.target, edges, seen)
