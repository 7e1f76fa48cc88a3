"""Pass: the header's normalisation ``(x - mean) / std`` moves into what reads the input.

Cases: (1) an affine map behind a Flatten, (2) a convolution without padding, (3) a padded
convolution before LIF neurons without synaptic current: zeros are padded *after* normalisation, so
the offset differs at the border and goes into the neurons' bias, one value per neuron.
"""

from dataclasses import replace

import numpy as np

from neurorobust.errors import LowerError
from neurorobust.ir import LIF, Affine, Array, Conv1d, Conv2d, Flatten, Graph, Node

_WAY_OUT = "normalise the data before it reaches the model and leave mean and std empty"


def fold_preprocessing(graph: Graph) -> Graph:
    """The same network with empty mean and std.

    Raises:
        LowerError: if something reads the input into which the normalisation cannot move.
    """
    header = graph.header
    if not header.mean and not header.std:
        return graph
    shape = graph.shapes[graph.input]
    per_channel = (-1, *[1] * (len(shape) - 1))
    scale = np.broadcast_to(1 / np.reshape(header.std or (1.0,), per_channel), shape)
    shift = np.broadcast_to(-np.reshape(header.mean or (0.0,), per_channel), shape) * scale
    nodes = dict(graph.nodes)
    for name in _readers(graph, graph.input):
        node = graph.nodes[name]
        if len(graph.incoming(name)) > 1:
            msg = f"{name}: adds something to the normalised input; {_WAY_OUT}"
            raise LowerError(msg)
        match node:
            case Affine():
                offset = node.weight @ shift.ravel()
                bias = offset if node.bias is None else node.bias + offset
                nodes[name] = replace(node, weight=node.weight * scale.ravel(), bias=bias)
            case Conv1d() | Conv2d() if node.groups == 1:
                # On what is folded so far: two convolutions may feed the same neurons.
                nodes |= _folded_conv(graph.with_(nodes=nodes), name, scale, shift)
            case _:
                msg = f"{name}: {node.kind} reads the normalised input; {_WAY_OUT}"
                raise LowerError(msg)
    return graph.with_(header=replace(header, mean=(), std=()), nodes=nodes)


def _readers(graph: Graph, name: str) -> list[str]:
    """Nodes that read a node, seen through Flatten."""
    found = []
    for edge in graph.outgoing(name):
        through = isinstance(graph.nodes[edge.target], Flatten)
        if through and len(graph.incoming(edge.target)) > 1:
            msg = f"{edge.target}: adds something to the normalised input; {_WAY_OUT}"
            raise LowerError(msg)
        found += _readers(graph, edge.target) if through else [edge.target]
        if edge.delay:
            msg = f"edge {edge.source} -> {edge.target} delays the normalised input; {_WAY_OUT}"
            raise LowerError(msg)
    return found


def _folded_conv(graph: Graph, name: str, scale: Array, shift: Array) -> dict[str, Node]:
    """The convolution, and the neurons behind it where the offset goes into their bias."""
    node = graph.nodes[name]
    import torch  # not at the top: folding is part of asking what a backend can run

    assert isinstance(node, Conv1d | Conv2d)  # noqa: S101  # the caller's case
    first = scale.reshape(len(scale), -1)[:, 0]  # the same all over a channel
    weight = node.weight * first.reshape(1, -1, *[1] * (node.weight.ndim - 2))
    convolve = torch.conv1d if isinstance(node, Conv1d) else torch.conv2d
    image = torch.tensor(np.array(shift))[None]
    kernel = torch.tensor(node.weight.astype(np.float64))
    stride, padding, dilation = node.stride, node.padding, node.dilation
    offset = convolve(image, kernel, None, stride, padding, dilation)[0].numpy()
    if not any(node.padding):
        per_channel = offset.reshape(len(offset), -1)[:, 0]
        bias = per_channel if node.bias is None else node.bias + per_channel
        return {name: replace(node, weight=weight, bias=bias)}
    targets = graph.outgoing(name)
    neuron = graph.nodes[targets[0].target]
    if (
        len(targets) != 1
        or targets[0].delay
        or not isinstance(neuron, LIF)
        or neuron.alpha is not None
    ):
        msg = (
            f"{name}: pads the normalised input and feeds {neuron.kind}; the offset of its border "
            f"has no place there; {_WAY_OUT}"
        )
        raise LowerError(msg)
    drive = neuron.gain_syn * neuron.gain_in * offset
    biased = replace(neuron, bias=neuron.bias + drive)
    return {name: replace(node, weight=weight), targets[0].target: biased}
