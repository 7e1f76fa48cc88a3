"""The one builder of small networks, and their connections written out one by one."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from neurorobust import ir
from neurorobust.chips import load_profile


def profile(name):
    return load_profile(name).profile


def patched(model, path, value):
    """A profile, or a part of one, with another value at ``a.b.c``."""
    name, _, rest = path.partition(".")
    value = patched(getattr(model, name), rest, value) if rest else value
    return model.model_copy(update={name: value})


def header(**changes):
    return ir.Header(**({"dt_s": 1e-3, "steps": 4, "coding": "events", "name": "net"} | changes))


def lif(**changes):
    return ir.LIF(**({"beta": 0.9, "threshold": 1.0} | changes))


def dense(outputs, inputs, seed=0):
    return ir.Affine(weight=np.random.default_rng(seed).normal(size=(outputs, inputs)))


def conv(filters, channels, kernel, seed=0, **geometry):
    shape = (filters, channels // geometry.get("groups", 1), *kernel)
    return ir.Conv2d(weight=np.random.default_rng(seed).normal(size=shape), **geometry)


def edges(wires):
    """``a-b-c d-b:2``: from a to b, from b to c, and from d to b two steps later."""
    paths = [path.partition(":") for path in wires.split()]
    return tuple(
        ir.Edge(*pair, int(delay or 0))
        for names, _, delay in paths
        for pair in pairwise(names.split("-"))
    )


def graph(shape, head=None, /, *, readout="count", wires="", **nodes):
    """Nodes between ``input`` and ``output``: one behind the other, unless wired otherwise."""
    shape = shape if isinstance(shape, tuple) else (shape,)
    nodes = {"input": ir.Input(shape=shape), **nodes, "output": ir.Output(readout=readout)}
    return _wired(ir.Graph, head, nodes, wires)


def program(source, head=None, /, *, readout="count", wires="", **nodes):
    """The same of integers; a width stands for an input of spikes."""
    if isinstance(source, int):
        source = ir.FixedInput(shape=(source,), scale=1.0, high=1)
    nodes = {"input": source, **nodes, "output": ir.Output(readout=readout)}
    return _wired(ir.Program, head, nodes, wires)


def _wired(kind, head, nodes, wires):
    links = edges(wires) or tuple(ir.Edge(*pair) for pair in pairwise(nodes))
    return kind(header=head or header(), nodes=nodes, edges=links)


def changed(model, wires="", /, *, header=None, **nodes):
    """With other fields of the header, with other or further nodes, with further edges."""
    return model.with_(
        header=replace(model.header, **header or {}),
        nodes={**model.nodes, **nodes},
        edges=(*model.edges, *edges(wires)),
    )


def mlp(*sizes, **changes):
    """Dense layers of LIF neurons."""
    nodes = {}
    for k, (a, b) in enumerate(pairwise(sizes), 1):
        nodes |= {f"fc{k}": dense(b, a, seed=k), f"l{k}": lif(**changes)}
    return graph(sizes[0], **nodes)


def cnn(seed=0, **changes):
    """Two convolutions with a stride, a padding, groups and a pooling, then a dense readout."""
    neuron = lif(**changes)
    return graph(
        (2, 11, 8),
        readout="last",
        c1=conv(4, 2, (3, 2), seed, stride=(2, 1), padding=(1, 0)),
        l1=neuron,
        p1=ir.Pool2d(op="avg", kernel=(2, 2), stride=(2, 2)),
        c2=conv(6, 4, (2, 2), seed + 1, groups=2, padding=(1, 1)),
        l2=neuron,
        flat=ir.Flatten(),
        fc=dense(5, 6 * 4 * 4, seed + 2),
        li=ir.LI(beta=1.0),
    )


def connections(graph, start, stop):
    """Which source (column) reaches which neuron (row), by sending every source through alone."""
    shape = graph.shapes[start]
    size = int(np.prod(shape))
    x = torch.eye(size, dtype=torch.float64).reshape(size, *shape)
    name = start
    while True:
        name = graph.outgoing(name)[0].target
        if name == stop:
            break
        node = graph.nodes[name]
        if isinstance(node, ir.Conv2d):
            weight = torch.ones(node.weight.shape, dtype=torch.float64)
            x = F.conv2d(x, weight, None, node.stride, node.padding, node.dilation, node.groups)
        elif isinstance(node, ir.Pool2d):
            x = F.avg_pool2d(x, node.kernel, node.stride, node.padding)
        elif isinstance(node, ir.Affine):
            x = x @ torch.ones(node.weight.shape, dtype=torch.float64).T
        else:
            x = x.flatten(1)
    return (x.flatten(1).numpy() != 0).T
