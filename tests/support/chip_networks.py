"""Small networks for the tests of checks, and their connections written out one by one."""

from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from neurorobust.ir import LI, LIF, Affine, Conv2d, Flatten, Graph, Header, Input, Output, Pool2d


def header(**changes):
    return Header(**({"dt_s": 1e-3, "steps": 4, "coding": "events", "name": "net"} | changes))


def lif(**changes):
    return LIF(**({"beta": 0.9, "threshold": 1.0} | changes))


def dense(outputs, inputs, seed=0):
    return Affine(weight=np.random.default_rng(seed).normal(size=(outputs, inputs)))


def conv(filters, channels, kernel, seed=0, **geometry):
    shape = (filters, channels // geometry.get("groups", 1), *kernel)
    return Conv2d(weight=np.random.default_rng(seed).normal(size=shape), **geometry)


def mlp(*sizes, **changes):
    """Dense layers of LIF neurons."""
    nodes = {"input": Input(shape=(sizes[0],))}
    for k, (a, b) in enumerate(pairwise(sizes), 1):
        nodes |= {f"fc{k}": dense(b, a, seed=k), f"l{k}": lif(**changes)}
    return Graph.chain(header(), **nodes, output=Output())


def cnn(seed=0, **changes):
    """Two convolutions with a stride, a padding, groups and a pooling, then a dense readout."""
    neuron = lif(**changes)
    return Graph.chain(
        header(),
        input=Input(shape=(2, 11, 8)),
        c1=conv(4, 2, (3, 2), seed, stride=(2, 1), padding=(1, 0)),
        l1=neuron,
        p1=Pool2d(op="avg", kernel=(2, 2), stride=(2, 2)),
        c2=conv(6, 4, (2, 2), seed + 1, groups=2, padding=(1, 1)),
        l2=neuron,
        flat=Flatten(),
        fc=dense(5, 6 * 4 * 4, seed + 2),
        li=LI(beta=1.0),
        output=Output(readout="last"),
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
        if isinstance(node, Conv2d):
            weight = torch.ones(node.weight.shape, dtype=torch.float64)
            x = F.conv2d(x, weight, None, node.stride, node.padding, node.dilation, node.groups)
        elif isinstance(node, Pool2d):
            x = F.avg_pool2d(x, node.kernel, node.stride, node.padding)
        elif isinstance(node, Affine):
            x = x @ torch.ones(node.weight.shape, dtype=torch.float64).T
        else:
            x = x.flatten(1)
    return (x.flatten(1).numpy() != 0).T
