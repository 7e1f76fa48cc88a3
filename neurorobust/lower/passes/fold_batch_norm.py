"""Pass: batch norm after a linear map becomes part of its weights and bias.

Cases: (1) conv → norm and (2) affine → norm, where nothing else reads the linear map, are folded.
(3) Any other norm stays.

Folding rounds differently than normalising does: a membrane closer to its threshold than that
rounding may fall on the other side.
"""

from dataclasses import replace

from neurorobust.ir import Affine, BatchNorm, Conv1d, Conv2d, Edge, Graph, Node
from neurorobust.ir.linear import batch_norm_as_scale
from neurorobust.lower.log import Log, graph_pass


@graph_pass
def fold_batch_norm(graph: Graph, log: Log) -> Graph:
    """The same network without the batch norms that follow a linear map.

    Returns:
        A new Graph; weights and biases that were folded are in double precision.
    """
    for name, norm in graph.of_kind(BatchNorm):
        arriving = graph.incoming(name)
        if len(arriving) != 1 or arriving[0].delay:
            continue
        source = arriving[0].source
        linear = graph.nodes[source]
        if isinstance(linear, Affine | Conv1d | Conv2d) and len(graph.outgoing(source)) == 1:
            log.note(source, f"batch norm {name!r} folded in")
            return fold_batch_norm(_without(graph, name, source, _folded(linear, norm)), log)
    return graph


def _folded(linear: Affine | Conv1d | Conv2d, norm: BatchNorm) -> Node:
    factor, offset = batch_norm_as_scale(norm)
    weight = linear.weight * factor.reshape(-1, *[1] * (linear.weight.ndim - 1))
    bias = offset if linear.bias is None else linear.bias * factor + offset
    return replace(linear, weight=weight, bias=bias)


def _without(graph: Graph, name: str, source: str, linear: Node) -> Graph:
    nodes = {n: linear if n == source else node for n, node in graph.nodes.items() if n != name}
    edges = tuple(
        Edge(source, edge.target, edge.delay) if edge.source == name else edge
        for edge in graph.edges
        if edge.target != name
    )
    return graph.with_(nodes=nodes, edges=edges)
