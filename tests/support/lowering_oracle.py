"""What the tests of lowering share: small networks, running them, and comparing two."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from neurorobust import backends
from neurorobust.backends import get_backend
from neurorobust.chips import load_profile
from neurorobust.data import Stimulus
from neurorobust.ir import LI, LIF, Affine, Edge, Flatten, Graph, Header, Input, Output
from neurorobust.lower import Limits

LOIHI = Limits.of(load_profile("loihi2").profile.arithmetic)
ROOM = (1 << 23) - 1
"""Largest magnitude of current and membrane that neither wraps nor saturates."""
reference = get_backend("reference")


def run(model, values, steps=None):
    stimulus = Stimulus(values, steps or model.header.steps)
    return backends.run(model, stimulus, backend=reference, record=("spikes", "membrane"))


def graph(edges, header=None, **nodes):
    """``edges`` as ``"a b c"`` for a chain, ``"a>2 b"`` for a delay of two steps.

    The input may be given by its shape; ``flat`` and ``output`` are made where edges name them.
    """
    if isinstance(nodes["input"], tuple):
        nodes["input"] = Input(shape=nodes["input"])
    named = " ".join(edges).split()
    for name, node in (("flat", Flatten()), ("output", Output())):
        if name in named and name not in nodes:
            nodes[name] = node
    made = []
    for line in edges:
        names = line.split()
        for source, target in pairwise(names):
            name, _, delay = source.partition(">")
            made.append(Edge(name, target.partition(">")[0], int(delay or 0)))
    return Graph(header=header or Header(dt_s=1e-3, steps=6), nodes=nodes, edges=tuple(made))


def assert_equivalent(before, after, values, names, tolerance=1e-12):
    first, second = run(before, values), run(after, values)
    for name in names:
        assert np.abs(first.membrane[name] - second.membrane[name]).max() <= tolerance
        assert np.array_equal(first.spikes.get(name), second.spikes.get(name))
    assert first.membrane[names[0]].std() > 0.01
    assert np.allclose(first.scores, second.scores, rtol=0, atol=tolerance * 10)


def dense(weight, **options):
    """One layer; ``lif`` and ``li`` give its neuron."""
    steps = options.pop("steps", 4)
    header = replace(Header(dt_s=1e-3, steps=steps, levels=256), **options.pop("header", {}))
    weight = np.asarray(weight, float)
    neuron = options.pop("neuron", None) or LIF(**{"beta": 1.0, "threshold": 1.0} | options)
    readout = "last" if isinstance(neuron, LI) else "count"
    nodes = {"input": Input(shape=weight.shape[1:]), "fc": Affine(weight=weight), "n": neuron}
    return Graph.chain(header, **nodes, output=Output(readout=readout))
