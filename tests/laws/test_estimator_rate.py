"""The rate family: gains in closed form, one frame against all steps, and bfloat16."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from neurorobust.engine.estimators import (
    Bptr,
    Cba,
    Hart,
    Rga,
    Stbp,
    assert_forward_identity,
    collapses,
)
from neurorobust.engine.network import Network
from neurorobust.ir import LI, LIF, Affine, Edge
from tests.support.estimator_cases import STEPS, gradient, mixed, neuron, spike
from tests.support.networks import stack, wired

FAMILY = {"rga": Rga, "bptr": Bptr, "cba": Cba, "hart": Hart}


@pytest.mark.parametrize("name", FAMILY)
def test_in_a_loop_a_gradient_is_that_of_its_own_sample(name):
    rng = np.random.default_rng(3)
    graph = wired(
        ["input fc lif head out output", "lif>1 back lif"],
        STEPS,
        input=(5,),
        fc=Affine(weight=rng.normal(0.3, 0.5, (6, 5))),
        lif=LIF(beta=0.8, threshold=1.0),
        back=Affine(weight=rng.normal(0, 0.3, (6, 6))),
        head=Affine(weight=rng.normal(size=(3, 6))),
        out=LIF(beta=0.8, threshold=1.0),
    )
    network = Network(graph)
    x = torch.tensor(rng.random((STEPS, 1, 5)))  # as many samples as steps
    y = torch.arange(STEPS) % 3

    def found(part):
        given = x[part].clone().requires_grad_()
        scores = FAMILY[name]().scores(network, given, STEPS)
        loss = torch.nn.functional.cross_entropy(scores, y[part], reduction="sum")
        return torch.autograd.grad(loss, given)[0]

    alone = torch.cat([found(slice(b, b + 1)) for b in range(STEPS)])
    assert alone.abs().max() > 0
    torch.testing.assert_close(found(slice(None)), alone, rtol=1e-12, atol=1e-15)


class TestGains:
    filtered = {"alpha": 0.75, "gain_in": 0.5, "gain_syn": 0.25, "bias": 0.125}  # noqa: RUF012
    """DC gain 0.5 * 0.25 / (1 - 0.75) = 0.5."""

    def test_bptr_is_whether_a_neuron_fired(self):
        spikes = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 2.0]], dtype=torch.float64)
        assert Bptr().gain(neuron(), spikes, spikes).tolist() == [0, 1, 1]
        assert Bptr().gain(neuron(**self.filtered), spikes, spikes).tolist() == [0, 0.5, 0.5]

    def test_cba_is_the_clipped_line(self):
        drive = torch.tensor([[-0.01, 0.0, 0.7, 2.0, 2.01]], dtype=torch.float64)
        assert Cba().gain(neuron(threshold=2.0), drive, drive).tolist() == [0, 0.5, 0.5, 0.5, 0]
        drive = torch.tensor([[0.0, 1.0], [7.0, 4.0]], dtype=torch.float64)  # 1.875 and 1.375
        found = Cba().gain(neuron(threshold=1.5, **self.filtered), drive, drive)
        assert found.tolist() == pytest.approx([0, 0.5 / 1.5])

    @pytest.mark.parametrize("reset", ["hard", "soft"])
    def test_hart_of_one_neuron(self, reset):
        """Mean over time of the triangle at the membranes of the neuron, step by step."""
        beta, theta, w, x, gamma = 0.8, 1.25, 0.9, 0.7, 0.6
        v, seen = 0.0, []
        for _ in range(STEPS):
            h = beta * v + w * x
            seen.append(max(0.0, gamma - abs(h - theta)) / gamma**2)
            s = float(h > theta)
            v = h * (1 - s) if reset == "hard" else h - theta * s
        graph = stack(
            (1,),
            STEPS,
            readout="mean",
            fc=Affine(weight=[[w]]),
            lif=LIF(beta=beta, threshold=theta, reset=reset),
        )
        found, _ = gradient(Hart(gamma), graph, [[[x]]], [1.0])
        assert found.item() == pytest.approx(w * np.mean(seen), rel=1e-13)
        assert 0 < np.mean(seen) < 1 / gamma


class TestOneFrame:
    """R2: one frame gives the gradient of all steps, in the whole family."""

    UNSATURATED = {"out": LIF(beta=0.8, threshold=4.0)}  # noqa: RUF012
    """Output neurons that every estimator lets a gradient through."""

    @pytest.mark.parametrize("timed", [False, True])
    @pytest.mark.parametrize("readout", ["count", "mean", "last"])
    @pytest.mark.parametrize("name", [*sorted(FAMILY), "rga, saturated"])
    def test_equals_all_steps(self, name, readout, timed):
        kind = FAMILY[name.partition(",")[0]]
        changes = self.UNSATURATED if readout == "count" and name in FAMILY else {}
        graph = mixed(readout, **changes)
        assert collapses(graph)
        x = np.random.default_rng(1).uniform(0, 1, (3, STEPS if timed else 1, 2, 6, 6))
        collapsed, a = gradient(kind(), graph, x)
        full, b = gradient(kind(collapse=False), graph, x)
        assert np.linalg.norm(collapsed - full) < 1e-12 * np.linalg.norm(full)
        assert np.count_nonzero(full) > full.size / 2
        assert np.array_equal(a, b)
        if timed:  # the price of the rate path: it cannot tell when
            assert np.allclose(full, full[:, :1], rtol=1e-10)

    def test_the_family_differs(self):
        graph, found = mixed("count", **self.UNSATURATED), []
        x = np.random.default_rng(1).uniform(0, 1, (3, 1, 2, 6, 6))
        for estimator in (*(kind() for kind in FAMILY.values()), Hart(0.3), Stbp()):
            g, _ = gradient(estimator, graph, x)
            found.append(g / np.linalg.norm(g))
        for i, a in enumerate(found):
            for b in found[:i]:
                assert np.linalg.norm(a - b) > 0.02

    def test_unused_input_has_gradient_zero(self):
        graph = wired(
            ["input dead lif fc output"],
            STEPS,
            input=(3,),
            dead=Affine(weight=np.zeros((4, 3)), bias=np.full(4, 0.9)),
            lif=LIF(beta=0.9, threshold=1.0),
            fc=Affine(weight=np.ones((2, 4))),
        )
        found, scores = gradient(Rga(), graph, np.ones((2, 1, 3)))
        assert scores.max() > 0
        assert not found.any()

    def test_nothing_of_all_steps_is_kept(self):
        """What a gradient holds on to does not grow with the number of steps."""
        graph, kept = mixed("mean"), {}
        for steps in (4, 64):
            x = torch.rand(2, 1, 2, 6, 6, dtype=torch.float64, requires_grad=True)
            scores = Hart().scores(Network(graph), x, steps)
            node, back = scores.grad_fn, []
            while node is not None:
                back += (
                    [c.cell_contents for c in (getattr(node, "back", None).__closure__ or ())]
                    if hasattr(node, "back")
                    else []
                )
                node = next((n for n, _ in node.next_functions if n is not None), None)
            gains = next(value.gains for value in back if hasattr(value, "gains"))
            kept[steps] = {name: g.shape for name, g in gains.items()}
        assert kept[4] == kept[64]
        assert kept[4]["lif"] == (2, 4, 6, 6)


class TestHartOverAllSteps:
    """Against autograd of the published rule in a loop written without the engine."""

    def plain(self, w1, w2, x, gamma, leak):
        leaf = torch.tensor(x, requires_grad=True)
        drive = leaf @ torch.tensor(w1).T
        drive = _Averaged.apply(drive.expand(len(x), STEPS, len(w1)))
        v = torch.zeros(len(x), len(w1), dtype=torch.float64)
        out = torch.zeros(len(x), len(w2), dtype=torch.float64)
        for t in range(STEPS):
            v = 0.6 * v.detach() + drive[:, t]
            s = spike(v - 0.5, gamma)
            v = v * (1 - s)
            out = leak * out + s @ torch.tensor(w2).T
        (found,) = torch.autograd.grad((out * torch.tensor([1.0, -2.0])).sum(), leaf)
        return found.numpy(), out.detach().numpy()

    @pytest.mark.parametrize("timed", [False, True])
    @pytest.mark.parametrize("leak", [1.0, 0.7])
    def test_steps_are_averaged_after_the_product(self, leak, timed):
        draw = np.random.default_rng(4)
        w1, w2 = draw.normal(size=(6, 5)), draw.normal(size=(2, 6))
        x = draw.uniform(0, 1, (3, STEPS if timed else 1, 5))
        neurons = {"lif": LIF(beta=0.6, threshold=0.5), "b": Affine(weight=w2), "li": LI(beta=leak)}
        graph = stack((5,), STEPS, a=Affine(weight=w1), **neurons)
        found, scores = gradient(Hart(0.8), graph, x, [1.0, -2.0])
        wanted, values = self.plain(w1, w2, x, 0.8, leak)
        assert np.allclose(scores, values, rtol=1e-12)
        assert np.linalg.norm(found - wanted) < 1e-12 * np.linalg.norm(wanted)

    def test_in_a_loop_the_means_are_taken_apart(self):
        """One neuron that feeds itself: score = sum_t s[t], dI[t+1]/ds[t] = r, gain g."""
        weight, r = 0.9, 0.25
        graph = wired(
            ["input fc lif output", "lif>1 loop lif"],
            STEPS,
            input=(1,),
            fc=Affine(weight=[[weight]]),
            loop=Affine(weight=[[r]]),
            lif=LIF(beta=0.7, threshold=1.0),
        )
        v, s, seen = 0.0, 0.0, []
        for _ in range(STEPS):
            h = 0.7 * v + weight * 0.8 + r * s
            seen.append(max(0.0, 1 - abs(h - 1)))
            s = float(h > 1)
            v = h * (1 - s)
        g, total, reach = np.mean(seen), 0.0, 0.0
        for _ in range(STEPS):
            reach = 1 + r * g * reach  # d score / d s[t], from the last step back
            total += weight * g * reach
        found, _ = gradient(Hart(), graph, [[[0.8]]], [1.0])
        assert found.item() == pytest.approx(total, rel=1e-12)


class _Averaged(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return g.mean(1, keepdim=True).expand_as(g)


class TestHalfPrecision:
    def graph(self):
        nodes = dict(mixed("mean").nodes)
        nodes["lif"] = replace(nodes["lif"], threshold=np.array(1.0))
        return mixed("mean").with_(nodes=nodes)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("name", sorted(FAMILY))
    def test_scores_are_those_of_the_network_in_bf16(self, name, dtype):
        network = Network(self.graph(), dtype=dtype)
        x = torch.rand(3, 1, 2, 6, 6, generator=torch.Generator().manual_seed(0), dtype=dtype)
        estimator = FAMILY[name](precision="bf16")
        assert_forward_identity(estimator, network, x, STEPS)
        x.requires_grad_()
        scores = estimator.scores(network, x, STEPS)
        assert scores.dtype == dtype
        assert not torch.equal(scores, network.run(x, STEPS))
        assert torch.allclose(scores, network.run(x, STEPS), atol=0.5)
        (found,) = torch.autograd.grad(scores[:, 0].sum(), x)
        (wanted,) = torch.autograd.grad(FAMILY[name]().scores(network, x, STEPS)[:, 0].sum(), x)
        cosine = torch.nn.functional.cosine_similarity(found.flatten(), wanted.flatten(), dim=0)
        assert found.dtype == dtype
        assert cosine > 0.9

    def test_what_comes_before_any_spike_keeps_its_precision(self):
        network = Network(self.graph()).in_bf16
        assert network.maps["conv"].dtype == torch.float64
        assert network.maps["skip"].dtype == torch.float64
        assert network.maps["conv2"].dtype == torch.bfloat16
        assert network.maps["fc"].dtype == torch.bfloat16
        assert network.neurons["lif2"].beta.dtype == torch.float64

    def test_all_steps_too(self):
        base = self.graph()
        edges = tuple(replace(e, delay=2) if e.source == "pool" else e for e in base.edges)
        loop = Affine(weight=np.eye(3) / 2)
        network = Network(base.with_(edges=edges))
        x = torch.rand(2, 1, 2, 6, 6, dtype=torch.float64, requires_grad=True)
        for kind in FAMILY.values():
            estimator = kind(precision="bf16")
            assert_forward_identity(estimator, network, x.detach(), STEPS)
            (found,) = torch.autograd.grad(estimator.scores(network, x, STEPS).sum(), x)
            assert torch.isfinite(found).all()
            assert found.abs().max() > 0
        counted = mixed("count")
        recurrent = Network(
            counted.with_(
                nodes=counted.nodes | {"back": loop},
                edges=(*counted.edges, Edge("out", "back", 1), Edge("back", "out")),
            )
        )
        assert_forward_identity(Hart(precision="bf16"), recurrent, x.detach(), STEPS)
