"""Surrogates that adapt to the membranes, against their equations written out in NumPy."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from neurorobust.engine import layers
from neurorobust.engine.estimators import Assg, Bptr, Hart, Mix, Pdsg, Rga, Stbp, TimeExtended
from neurorobust.engine.network import Network
from neurorobust.ir import LIF, Affine, BatchNorm, Conv2d, Flatten, Graph, Header, Input, Output
from tests.support.estimator_cases import STEPS, gradient, mixed
from tests.support.networks import stack

BETA, THETA = 0.8, 1.0


def single(width, *, channels=None):
    """Neurons driven by the input itself, counted: no path from one to another."""
    shape = (width,) if channels is None else (channels, width, width)
    chain = {"input": Input(shape=shape), "lif": LIF(beta=BETA, threshold=THETA)}
    if channels is not None:
        chain["flat"] = Flatten()
    return Graph.chain(Header(dt_s=1e-3, steps=STEPS), **chain, output=Output())


def membranes(x):
    """Membranes before reset and spikes (T, ...) of neurons under the static drive ``x``."""
    v, hs, ss = np.zeros_like(x), [], []
    for _ in range(STEPS):
        h = BETA * v + x
        s = (h > THETA).astype(float)
        v = h * (1 - s)
        hs.append(h)
        ss.append(s)
    return np.stack(hs), np.stack(ss)


def chain_rule(h, s, slope, *, detach):
    """d(sum of spikes)/dx of each neuron, with ``slope`` = ds/dh (T, ...)."""
    dv, total = np.zeros_like(h[0]), np.zeros_like(h[0])
    for t in range(len(h)):
        dh = BETA * dv + 1
        ds = slope[t] * dh
        total += ds
        dv = dh * (1 - s[t]) - (0 if detach else h[t] * ds)
    return total


class TestPdsg:
    def slopes(self, h, axes):
        """The density of the membranes of all steps so far; ``axes`` without that of time."""
        found = []
        for t in range(len(h)):
            seen = h[: t + 1]
            over = (0, *axes)
            count = math.prod(seen.shape[a] for a in over)
            sigma = seen.std(over, ddof=1, keepdims=True)[0] if count > 1 else np.ones(1)
            sigma = np.where(sigma > 0, sigma, 1.0)
            u = h[t] - THETA
            density = np.exp(-((u - sigma / 2) ** 2) / (2 * sigma**2))
            found.append(density / (math.sqrt(2 * math.pi) * sigma))
        return np.stack(found)

    @pytest.mark.parametrize("detach", [False, True])
    @pytest.mark.parametrize(
        ("scope", "channels", "axes"),
        [
            ("sample", None, (2,)),
            ("sample", 2, (3, 4)),
            ("batch", None, (1,)),
            ("batch", 2, (1, 3, 4)),
        ],
    )
    def test_against_the_equation(self, scope, channels, axes, detach):
        graph = single(5, channels=channels)
        x = np.random.default_rng(0).uniform(-0.2, 1.2, (3, *graph.input_shape))
        h, s = membranes(x)
        wanted = chain_rule(h, s, self.slopes(h, axes), detach=detach)
        weights = np.ones(math.prod(graph.input_shape))
        found, _ = gradient(Pdsg(scope, detach_reset=detach), graph, x[:, None], weights)
        assert np.allclose(found[:, 0], wanted, rtol=1e-9)

    @pytest.mark.parametrize("scope", ["sample", "batch"])
    def test_no_spread_is_taken_as_one(self, scope):
        """One neuron, one sample: nothing to spread at the first step, and no NaN."""
        graph = single(1)
        h, s = membranes(np.array([[0.7]]))
        slopes = self.slopes(h, (1, 2))
        assert slopes[0].item() == pytest.approx(math.exp(-0.5 * 0.8**2) / math.sqrt(2 * math.pi))
        found, _ = gradient(Pdsg(scope), graph, [[[0.7]]], [1.0])
        assert found.item() == pytest.approx(chain_rule(h, s, slopes, detach=False).item())

    def test_only_the_batch_scope_depends_on_the_batch(self):
        graph = mixed("count")
        x = np.random.default_rng(1).uniform(0, 1, (4, 1, 2, 6, 6))
        for scope, same in (("sample", True), ("batch", False)):
            whole, _ = gradient(Pdsg(scope), graph, x)
            part, _ = gradient(Pdsg(scope), graph, x[1:3])
            assert np.allclose(whole[1:3], part, rtol=1e-10, atol=1e-14) is same


class TestAssg:
    shapes = {  # noqa: RUF012
        "arctan": lambda u, a: a / 2 / (1 + (math.pi / 2 * a * u) ** 2),
        "triangle": lambda u, a: np.maximum(0, a - a**2 * np.abs(u)),
        "rectangle": lambda u, a: a / 2 * (np.abs(u) < 1 / a),
        "sigmoid": lambda u, a: a / (2 + 2 * np.cosh(a * u)),
        "gaussian": lambda u, a: a / math.sqrt(2 * math.pi) * np.exp(-0.5 * (a * u) ** 2),
    }

    def follow(self, points, shape, a):
        """Gradients along the points of an attack."""
        relax, one, two = 1.5, 0.9, 0.8
        mean, spread, found = np.ones((STEPS, 1, 1)), np.zeros((STEPS, 1, 1)), []
        for x in points:
            h, s = membranes(x)
            u = h - THETA
            mean = one * mean + (1 - one) * np.abs(u)
            spread = two * spread + (1 - two) * np.abs(np.abs(u) - mean)
            sharp = a / (mean + relax * spread + 1e-4)
            found.append(chain_rule(h, s, self.shapes[shape](u, sharp), detach=True))
        return found

    def numerator(self, shape):
        return 2 / math.pi * math.tan(0.43 * math.pi) if shape == "arctan" else 1.7

    def estimator(self, shape):
        size = {"vanishing": 0.43} if shape == "arctan" else {"sharpness": 1.7}
        return Assg(**size, surrogate=shape, beta2=0.8)

    @pytest.mark.parametrize("shape", sorted(shapes))
    def test_along_an_attack(self, shape):
        graph, draw = single(5), np.random.default_rng(0)
        points = [draw.uniform(-0.2, 1.2, (3, 5)) for _ in range(4)]
        estimator = self.estimator(shape)
        wanted = self.follow(points, shape, self.numerator(shape))
        for x, right in zip(points, wanted, strict=True):
            found, _ = gradient(estimator, graph, x[:, None], np.ones(5))
            assert np.allclose(found[:, 0], right, rtol=1e-9, atol=1e-12)

    def test_the_mass_within_a_typical_distance(self):
        """Half the vanishing degree on either side, where all distances are alike."""
        reach, sharp = 0.37, self.numerator("arctan") / 0.37
        u = np.linspace(-reach, reach, 200_001)
        assert np.trapezoid(self.shapes["arctan"](u, sharp), u) == pytest.approx(0.86, abs=1e-6)

    def test_frozen_select_and_reset(self):
        graph, draw = single(5), np.random.default_rng(0)
        a, b, c = (draw.uniform(-0.2, 1.2, (3, 5)) for _ in range(3))
        at = self.numerator("arctan")

        def see(estimator, x):
            return gradient(estimator, graph, x[:, None], np.ones(5))[0][:, 0]

        estimator = self.estimator("arctan")
        see(estimator, a)
        with estimator.frozen():
            twice = see(estimator, b)
        assert not np.allclose(twice, self.follow([a, b], "arctan", at)[1])
        assert np.allclose(see(estimator, c), self.follow([a, c], "arctan", at)[1])
        for rows in (torch.tensor([2, 0]), torch.tensor([True, False, True])):
            estimator.reset()
            see(estimator, a)
            estimator.select(rows)
            kept = a[rows.numpy()]
            wanted = self.follow([kept, b[:2]], "arctan", at)[1]
            assert np.allclose(see(estimator, b[:2]), wanted)
        estimator.reset()
        assert np.allclose(see(estimator, c), self.follow([c], "arctan", at)[0])
        # Another batch size starts anew, instead of mixing samples up.
        assert np.allclose(see(estimator, b[:1]), self.follow([b[:1]], "arctan", at)[0])

    def test_a_sample_does_not_depend_on_the_others(self):
        graph, draw = mixed("count"), np.random.default_rng(1)
        points = [draw.uniform(0, 1, (4, 1, 2, 6, 6)) for _ in range(3)]
        whole, part = Assg(), Assg()
        for x in points:
            a, _ = gradient(whole, graph, x)
            b, _ = gradient(part, graph, x[1:3])
            assert np.allclose(a[1:3], b, rtol=1e-10, atol=1e-14)

    def test_state_passes_through_what_is_built_on_it(self):
        graph, draw = single(5), np.random.default_rng(0)
        a, b = (draw.uniform(-0.2, 1.2, (3, 5)) for _ in range(2))
        for wrap in (lambda e: Mix([e], normalise=False), lambda e: TimeExtended(e, 1)):
            plain, wrapped = Assg(), wrap(Assg())
            for act in ("", "select", "reset"):
                for x in (a, b):
                    for e in (plain, wrapped):
                        with e.frozen():
                            gradient(e, graph, x[:, None], np.ones(5))
                    rows = torch.arange(3)
                    for e in (plain, wrapped):
                        if act:
                            getattr(e, act)(*([rows] if act == "select" else []))
                    g, w = (gradient(e, graph, x[:, None], np.ones(5))[0] for e in (plain, wrapped))
                    assert np.allclose(g, w, rtol=1e-12)


class TestPiecewiseLinear:
    def test_in_units_of_each_threshold(self):
        """0.3 max(0, 1 - |v / threshold - 1|), with one threshold per neuron."""
        thetas = np.array([0.5, 1.0, 2.0])
        graph = stack((3,), 1, lif=LIF(beta=1.0, threshold=thetas))
        x = np.array([0.4, 1.3, 5.0])
        found, _ = gradient(Stbp("piecewise_linear"), graph, x[None, None], np.ones(3), steps=1)
        assert np.allclose(found[0, 0], 0.3 * np.maximum(0, 1 - np.abs(x / thetas - 1)))
        assert found[0, 0, 2] == 0


def test_training_layers_and_estimators_share_one_law():
    """A convolution with STBP is the same through ``layers`` and through a Graph."""
    torch.manual_seed(0)
    node = LIF(beta=np.array(0.75), threshold=np.array(1.0))
    model = layers.SpikingSequential(
        nn.Conv2d(1, 4, 3, padding=1), layers.LIF(node), nn.Flatten(), nn.Linear(64, 3)
    )
    conv, fc = model[0], model[3]
    graph = stack(
        (1, 4, 4),
        STEPS,
        readout="mean",
        conv=Conv2d(
            weight=conv.weight.detach().numpy(), bias=conv.bias.detach().numpy(), padding=(1, 1)
        ),
        lif=node,
        flat=Flatten(),
        fc=Affine(weight=fc.weight.detach().numpy(), bias=fc.bias.detach().numpy()),
    )
    x = torch.rand(2, 1, 4, 4, requires_grad=True)
    trained = model(x, STEPS).mean(0)
    estimator = Stbp("arctan", 0.5, detach_reset=True)
    crafted = estimator.scores(Network(graph, dtype=torch.float32), x[:, None], STEPS)
    a, b = (torch.autograd.grad(s[:, 0].sum(), x, retain_graph=True)[0] for s in (trained, crafted))
    assert torch.allclose(trained, crafted, atol=1e-6)
    assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "estimator",
    [Stbp(), Stbp("arctan", 0.5, detach_reset=True), Pdsg(), Assg(), Rga(collapse=False), Rga(),
     Hart(collapse=False), Bptr(collapse=False)],
    ids=lambda e: e.name,
)  # fmt: skip
def test_one_sample_alone_has_the_gradient_it_has_among_others(estimator):
    """In single precision, through batch norm on several channels, against double precision."""
    rng = np.random.default_rng(3)

    def layer(channels):
        conv = Conv2d(weight=rng.normal(0, 0.5, (8, channels, 3, 3)), padding=(1, 1))
        mean, var, scale = rng.normal(size=8), rng.uniform(0.5, 2, 8), rng.uniform(0.5, 2, 8)
        norm = BatchNorm(mean=mean, var=var, scale=scale, shift=rng.normal(size=8))
        return conv, norm, LIF(beta=0.75, threshold=1.0)

    names = ("conv", "norm", "lif", "conv2", "norm2", "lif2")
    nodes = dict(zip(names, (*layer(3), *layer(8)), strict=True))
    fc = Affine(weight=rng.normal(0, 0.1, (3, 512)))
    graph = stack((3, 8, 8), 4, readout="mean", **nodes, flat=Flatten(), fc=fc)
    x, found = rng.random((3, 1, 3, 8, 8)), {}
    for dtype in (torch.float32, torch.float64):
        network, rows = Network(graph, dtype=dtype), []
        for sample in x:
            estimator.reset()
            at = torch.tensor(sample[None], dtype=dtype)
            rows.append(estimator.gradient(network, at, 4, lambda z: z[:, 0]))
        found[dtype] = torch.cat(rows).double()
    apart = (found[torch.float32] - found[torch.float64]).abs().max()
    assert apart < 1e-4 * found[torch.float64].abs().max()
