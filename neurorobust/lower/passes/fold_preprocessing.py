"""Pass: the header's normalisation ``(x - mean) / std`` moves into what reads the input.

Cases: (1) an affine map behind a Flatten, (2) a convolution without padding, (3) a padded
convolution before neurons without synaptic current: zeros are padded *after* normalisation, so the
offset differs at the border and goes into the neurons' bias, one value per neuron.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from neurorobust.ir import Affine, Array, Conv1d, Conv2d, Flatten, Graph, Node, normalisation
from neurorobust.lower.log import Log, graph_pass
from neurorobust.lower.neurons import shifted

_WAY_OUT = "normalise the data before it reaches the model and leave mean and std empty"
_ADDS = ("preprocessing", "adds something to the normalised input", _WAY_OUT)


@graph_pass
def fold_preprocessing(graph: Graph, log: Log) -> Graph:
    """The same network with empty mean and std.

    Refused is what reads the input and cannot take the normalisation.
    """
    header = graph.header
    if not header.mean and not header.std:
        return graph
    shape = graph.shapes[graph.input]
    mean, std = normalisation(header, shape)
    scale = np.broadcast_to(1 / std, shape)
    shift = np.broadcast_to(-mean, shape) * scale
    nodes = dict(graph.nodes)
    for name in _readers(graph, graph.input, log):
        node = graph.nodes[name]
        if len(graph.incoming(name)) > 1:
            log.refuse(name, *_ADDS)
            continue
        match node:
            case Affine():
                offset = node.weight @ shift.ravel()
                bias = offset if node.bias is None else node.bias + offset
                nodes[name] = replace(node, weight=node.weight * scale.ravel(), bias=bias)
            case Conv1d() | Conv2d():
                # On what is folded so far: two convolutions may feed the same neurons.
                nodes |= _folded_conv(graph.with_(nodes=nodes), name, scale, shift, log)
            case _:
                why = f"{node.kind} reads the normalised input"
                log.refuse(name, "preprocessing", why, _WAY_OUT)
                continue
        log.note(name, "takes the input as it is: mean and std are in its weights and bias")
    return graph.with_(header=replace(header, mean=(), std=()), nodes=nodes)


def _readers(graph: Graph, name: str, log: Log) -> Iterator[str]:
    """Nodes that read a node, seen through Flatten."""
    for edge in graph.outgoing(name):
        through = isinstance(graph.nodes[edge.target], Flatten)
        if through and len(graph.incoming(edge.target)) > 1:
            log.refuse(edge.target, *_ADDS)
        elif edge.delay:
            where = f"edge {edge.source} -> {edge.target}"
            log.refuse(where, "preprocessing", "delays the normalised input", _WAY_OUT)
        elif through:
            yield from _readers(graph, edge.target, log)
        else:
            yield edge.target


def _folded_conv(graph: Graph, name: str, scale: Array, shift: Array, log: Log) -> dict[str, Node]:
    """The convolution, and the neurons behind it where the offset goes into their bias."""
    node = graph.nodes[name]
    import torch  # not at the top: folding is part of asking what a backend can run

    assert isinstance(node, Conv1d | Conv2d)  # noqa: S101  # the caller's case
    first = scale.reshape(len(scale), -1)[:, 0]  # the same all over a channel
    rows = np.arange(len(node.weight)) * node.groups // len(node.weight)
    factor = first.reshape(node.groups, -1)[rows]
    weight = node.weight * factor.reshape(*factor.shape, *[1] * (node.weight.ndim - 2))
    convolve = torch.conv1d if isinstance(node, Conv1d) else torch.conv2d
    image = torch.tensor(np.array(shift))[None]
    kernel = torch.tensor(node.weight.astype(np.float64))
    stride, padding, dilation = node.stride, node.padding, node.dilation
    offset = convolve(image, kernel, None, stride, padding, dilation, node.groups)[0].numpy()
    if not any(node.padding):
        per_channel = offset.reshape(len(offset), -1)[:, 0]
        bias = per_channel if node.bias is None else node.bias + per_channel
        return {name: replace(node, weight=weight, bias=bias)}
    leaving, *others = graph.outgoing(name)
    neuron = graph.nodes[leaving.target]
    biased = None if others else shifted(neuron, leaving, offset)
    if biased is None and log.follows(graph, name):
        return {}
    if biased is None:
        why = (
            f"pads the normalised input and feeds {neuron.kind}; the offset of its border has no "
            "place there"
        )
        log.refuse(name, "preprocessing", why, _WAY_OUT)
        return {}
    return {name: replace(node, weight=weight), leaving.target: biased}
