"""The range of what a host can give and of what can arrive at a population, over all inputs."""

from dataclasses import replace

import numpy as np

from neurorobust import ir
from neurorobust.ir.linear import batch_norm_as_scale
from neurorobust.lower.refusals import sources_of


def host_range(host: ir.Graph) -> tuple[ir.Array, ir.Array]:
    """Smallest and largest value at the Output, each of shape (N,).

    Interval arithmetic node by node; exact for one linear map, never too narrow for several.

    Args:
        host: Maps without memory and without delays.
    """
    header, shape = host.header, host.input_shape
    low, high = (ir.preprocess(header, np.full(shape, float(end)), 0) for end in header.bounds)
    ends: dict[str, tuple[ir.Array, ir.Array]] = {host.input: (low, high)}
    for name in host.order:
        if name != host.input:
            given = [ends[edge.source] for edge in host.incoming(name)]
            low = np.sum([first for first, _ in given], axis=0)
            high = np.sum([second for _, second in given], axis=0)
            ends[name] = _through(host, name, low, high)
    return ends[host.output]


def _through(host: ir.Graph, name: str, low: ir.Array, high: ir.Array) -> tuple[ir.Array, ir.Array]:
    import torch  # not at the top: lowering is part of asking what a backend can run

    from neurorobust.engine.linear import linear_map

    node = host.nodes[name]

    def run(part: ir.Affine | ir.Conv1d | ir.Conv2d | ir.Pool2d, image: ir.Array) -> ir.Array:
        function = linear_map(part, torch.empty((), dtype=torch.float64))
        assert function is not None  # noqa: S101  # these have no memory
        result: ir.Array = function(torch.tensor(image)[None])[0].numpy()
        return result

    match node:
        case ir.Affine() | ir.Conv1d() | ir.Conv2d():
            up = replace(node, weight=node.weight.clip(min=0))
            down = replace(node, weight=node.weight.clip(max=0), bias=None)
            return run(up, low) + run(down, high), run(up, high) + run(down, low)
        case ir.BatchNorm():
            factor, offset = (
                part.reshape(-1, *[1] * (low.ndim - 1)) for part in batch_norm_as_scale(node)
            )
            ends = (low * factor + offset, high * factor + offset)
            return np.minimum(*ends), np.maximum(*ends)
        case ir.Pool2d():
            return run(node, low), run(node, high)
        case _:  # Flatten and Output
            last = host.shapes[name]
            return low.reshape(last), high.reshape(last)


def drive_range(graph: ir.Graph, name: str) -> tuple[ir.Array, ir.Array] | None:
    """Smallest and largest sum over the synapses of a population, broadcasting to it.

    Every source may give anything between its ends in every step, so the range is never too narrow.

    Returns:
        None where a source has no known range.
    """
    axes = len(graph.shapes[name]) - 1
    low = high = np.zeros((1,) * (axes + 1))
    for edge in graph.incoming(name):
        synapse = graph.nodes[edge.source]
        if isinstance(synapse, ir.Input):
            ends = _input_span(graph)
            low, high = low + ends[0], high + ends[1]
            continue
        if not isinstance(synapse, ir.Affine | ir.Conv1d | ir.Conv2d):
            return None
        (source, *more) = sources_of(graph, edge.source)
        span = _span(graph, source)
        if more or span is None:
            return None
        rows = synapse.weight.reshape(len(synapse.weight), -1)
        up, down = rows.clip(min=0).sum(1), (-rows).clip(min=0).sum(1)
        column = (-1, *[1] * axes)
        low = low + (up * span[0] - down * span[1]).reshape(column)
        high = high + (up * span[1] - down * span[0]).reshape(column)
    return low, high


def _span(graph: ir.Graph, name: str) -> tuple[float, float] | None:
    """Ends of what a source gives, silence included."""
    node = graph.nodes[name]
    if isinstance(node, ir.LIF):
        return 0.0, float(node.max_spikes)
    if isinstance(node, ir.Input):
        return _input_span(graph)
    return None


def _input_span(graph: ir.Graph) -> tuple[float, float]:
    header = graph.header
    low, high = (0.0, 1.0) if header.coding == "bernoulli" else header.bounds
    return min(0.0, low), max(0.0, high)


def held(decay: ir.Array, steps: int) -> ir.Array:
    """How often a constant is found in a state after a number of steps: ``1 + d + d^2 + ...``."""
    total: ir.Array = sum((decay**k for k in range(1, steps)), start=np.ones_like(decay))
    return total


def lowest_membrane(graph: ir.Graph, name: str) -> ir.Array | None:
    """A bound from below for the membrane of a LIF or LI that starts from, and resets to, 0."""
    node, ends = graph.nodes[name], drive_range(graph, name)
    assert isinstance(node, ir.LIF | ir.LI)  # noqa: S101  # the caller's case
    if ends is None:
        return None
    steps = graph.header.steps
    low = ends[0]
    if isinstance(node, ir.LIF) and node.alpha is not None:
        low = low * held(node.alpha, steps)
    lowest: ir.Array = np.minimum(low + node.bias, 0) * held(node.beta, steps)
    return lowest
