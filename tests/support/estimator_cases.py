"""Networks and gradients that several tests of estimators share."""

import numpy as np
import torch

from neurorobust import ir
from neurorobust.engine.dynamics import Neuron
from neurorobust.engine.network import Network
from tests.support.networks import wired

STEPS = 7


def gradient(estimator, graph, x, weights=None, steps=STEPS):
    """Of a random linear loss of the scores, and the scores."""
    network = Network(graph)
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    scores = estimator.scores(network, x, steps)
    if weights is None:
        weights = torch.linspace(-1, 2, scores.shape[1], dtype=torch.float64)
    (found,) = torch.autograd.grad((scores * torch.as_tensor(weights)).sum(), x)
    return found.numpy(), scores.detach().numpy()


def neuron(**fields):
    node = ir.LIF(**{"beta": 0.5, "threshold": 1.0} | fields)
    return Neuron.of(node, torch.empty((), dtype=torch.float64))


def spike(u, width=1.0):
    """Exact forward; its slope is that of an integral of the triangle, found by autograd."""
    inside = (u / width).clamp(-1, 1)
    smooth = inside - inside * inside.abs() / 2
    return (u > 0).double() + smooth - smooth.detach()


def mixed(readout, **changes):
    """Convolution, norm, average and skip edges: everything that treats all steps alike."""
    draw = np.random.default_rng(5)
    nodes = {
        "input": ir.Input(shape=(2, 6, 6)),
        "conv": ir.Conv2d(weight=draw.normal(size=(4, 2, 3, 3)) / 2, padding=(1, 1)),
        "norm": ir.BatchNorm(
            mean=draw.normal(size=4) / 4,
            var=draw.uniform(0.5, 2, 4),
            scale=draw.uniform(0.5, 1.5, 4),
            shift=draw.uniform(0.1, 0.5, 4),
        ),
        "lif": ir.LIF(beta=0.9, threshold=np.linspace(0.5, 1.5, 4).reshape(4, 1, 1)),
        "pool": ir.Pool2d(op="avg", kernel=(3, 2), stride=(2, 2), padding=(1, 0)),
        "conv2": ir.Conv2d(
            weight=draw.normal(size=(4, 2, 2, 2)), groups=2, bias=draw.normal(size=4) / 4
        ),
        "lif2": ir.LIF(beta=0.6, threshold=1.0, alpha=0.5, gain_in=0.5, reset="soft", bias=0.1),
        "flat": ir.Flatten(),
        "fc": ir.Affine(weight=draw.normal(size=(3, 16)), bias=draw.normal(size=3)),
        "flat0": ir.Flatten(),
        "skip": ir.Affine(weight=draw.normal(size=(3, 72)) / 8),
    }
    edges = ["input conv norm lif pool conv2 lif2 flat fc", "input flat0 skip"]
    if readout == "last":
        nodes["li"] = ir.LI(beta=1.0, gain_in=np.array([0.5, 1.0, 2.0]), bias=0.3, v_init=0.1)
        edges += ["fc li output", "skip li"]
    elif readout == "count":
        nodes["out"] = ir.LIF(beta=0.8, threshold=0.7)
        edges += ["fc out output", "skip out"]
    else:
        edges += ["fc output", "skip output"]
    return wired(edges, STEPS, **nodes | {"output": ir.Output(readout=readout)} | changes)
