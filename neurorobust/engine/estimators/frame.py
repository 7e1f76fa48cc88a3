"""One frame backwards: the gradient of a network whose neurons are given linear gains."""

from collections.abc import Mapping

from torch import Tensor

from neurorobust.engine.network import Network


def pull_back(network: Network, gains: Mapping[str, Tensor], seed: Tensor) -> Tensor:
    """``seed^T`` times the product of all maps and gains, from the output to the input.

    Nothing is run forwards: every map has an adjoint of its own.

    Args:
        network: Without loops and maxima.
        gains: Derivative of every LIF node by its input, (B, ...).
        seed: Gradient by the values that reach the output, (B, classes).

    Returns:
        Gradient by the input before its preprocessing, (B, ...).
    """
    graph = network.graph
    arrived = {graph.output: seed}
    for name in reversed(graph.order):
        if name == graph.input:
            break
        if (g := arrived.pop(name, None)) is None:
            continue
        if name in gains:
            g = g * gains[name]
        elif name in network.integrators:
            g = g * network.integrators[name].gain_in
        sources = graph.incoming(name)
        if (function := network.maps[name]) is not None:
            assert function.adjoint is not None  # noqa: S101  # the caller excludes maxima
            g = function.adjoint(g, graph.shapes[sources[0].source])
        for edge in sources:
            so_far = arrived.get(edge.source)
            arrived[edge.source] = g if so_far is None else so_far + g
    found = arrived.get(graph.input)
    if found is None:
        return seed.new_zeros(len(seed), *graph.shapes[graph.input])
    return found.to(network.like.dtype) / network.std
