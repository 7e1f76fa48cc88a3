"""Small networks and evaluations that the tests of the audit share."""

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from neurorobust.attacks import Draws, Linf, Target
from neurorobust.engine.estimators import Stbp
from neurorobust.engine.network import Network
from neurorobust.ir import LI, LIF, Affine, Conv2d, Flatten, Header
from tests.support import small

STEPS = 6
HEADER = Header(name="net", dt_s=1e-3, steps=STEPS, levels=256)


def dense(seed=0, header=HEADER, *, inputs=16, hidden=32, classes=4, beta=0.8, reset="hard"):
    """A random network whose hidden neurons are driven to the middle of their range."""
    draw = np.random.default_rng(seed)
    weight = draw.normal(size=(hidden, inputs)) / 2
    return small.graph(
        inputs,
        header,
        readout="last",
        a=Affine(weight=weight, bias=0.8 - weight.sum(1) / 2),
        lif=LIF(beta=beta, threshold=1.0, reset=reset),
        b=Affine(weight=draw.normal(size=(classes, hidden))),
        top=LI(beta=1.0, gain_in=1 / header.steps),
    )


def convolutional(seed=0, header=HEADER):
    draw = np.random.default_rng(seed)
    weight = draw.normal(size=(6, 1, 3, 3)) / 1.5
    return small.graph(
        (1, 6, 6),
        header,
        readout="last",
        conv=Conv2d(weight=weight, bias=0.6 - weight.sum((1, 2, 3)) / 2),
        lif=LIF(beta=0.7, threshold=1.0),
        flat=Flatten(),
        b=Affine(weight=draw.normal(size=(3, 96)) / 2),
        top=LI(beta=1.0, gain_in=1 / header.steps),
    )


def recurrent(seed=0):
    draw = np.random.default_rng(seed + 50)
    loop = Affine(weight=draw.normal(size=(32, 32)) / 16)
    return small.changed(dense(seed), "lif-loop loop-lif:1", loop=loop)


def trained(images, labels, seed=0, hidden=96):
    """Random features of LIF neurons with a readout fitted to labels by least squares."""
    graph = dense(seed, inputs=images.shape[1], hidden=hidden, classes=int(labels.max()) + 1)
    rates = _rates(graph, images)
    wanted = np.eye(int(labels.max()) + 1)[labels]
    known = np.concatenate([rates, np.ones((len(rates), 1))], 1)
    solved = np.linalg.solve(known.T @ known + 2.0 * np.eye(hidden + 1), known.T @ wanted)
    fitted = Affine(weight=4 * solved[:-1].T, bias=4 * solved[-1])
    return small.changed(graph, b=fitted)


def _rates(graph, images):
    """Mean firing of the hidden neurons, step by step in NumPy."""
    a, lif = graph.nodes["a"], graph.nodes["lif"]
    drive = images @ a.weight.T + a.bias
    v, total = np.zeros_like(drive), np.zeros_like(drive)
    for _ in range(graph.header.steps):
        h = float(lif.beta) * v + drive
        fired = h >= 1.0
        total += fired
        v = np.where(fired, 0.0, h)
    return total / graph.header.steps


def samples(graph, count=36, seed=9):
    """Random samples on the sensor's grid, labelled by the network itself."""
    levels = graph.header.levels or 256
    shape = graph.shapes[graph.input]
    codes = np.random.default_rng(seed).integers(0, levels, (count, *shape))
    x = codes / (levels - 1)
    if graph.header.coding == "bernoulli":
        target = Target(Network(graph), None, votes=50)
        return x, target.decide(torch.tensor(x), Draws(0, np.arange(count))).numpy()
    return x, Target(Network(graph), None).decide(torch.tensor(x)).numpy()


def ball(graph, epsilon):
    return Linf.of(graph.header, epsilon)


class Elsewhere:
    """An evaluation as other software makes it: single precision, its own surrogate gradient."""

    bounds = (0.0, 1.0)
    name = "elsewhere"

    def __init__(self, graph, estimator=None):
        self.graph, self.estimator = graph, estimator or Stbp()
        self.network = Network(graph, dtype=torch.float32)

    def scores(self, x):
        return self.network.run(x[:, None], STEPS)

    def differentiable(self, x):
        self.estimator.reset()
        return self.estimator.scores(self.network, x[:, None], STEPS)

    def gradient(self, x, y):
        at = x.detach().requires_grad_()
        (found,) = torch.autograd.grad(cross_entropy(self.differentiable(at), y), at)
        return found
