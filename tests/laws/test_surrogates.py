"""Gradient estimators against integrals, hand-derived chains, autograd of plain loops, and R1, R2.

R1 and R2 are the published form of the rate gradient and its collapse to one frame.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import settings

from neurorobust import ir
from neurorobust.engine.estimators import (
    ESTIMATORS,
    SURROGATES,
    Rga,
    Stbp,
    assert_forward_identity,
    collapses,
    make_estimator,
)
from neurorobust.engine.estimators.rga import rate_slope
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput
from tests.support.estimator_cases import STEPS, gradient, mixed, neuron, spike
from tests.support.networks import edges_of, stack, wired

search = settings(max_examples=25, deadline=None, derandomize=True, database=None)


class TestDerivatives:
    formulas = {  # noqa: RUF012
        "triangle": lambda u, w: max(0.0, w - abs(u)) / w**2,
        "rectangle": lambda u, w: 1 / w if abs(u) < w / 2 else 0.0,
        "sigmoid": lambda u, w: math.exp(-u / w) / (w * (1 + math.exp(-u / w)) ** 2),
        "arctan": lambda u, w: 1 / (2 * w) / (1 + (math.pi * u / (2 * w)) ** 2),
        "gaussian": lambda u, w: math.exp(-(u**2) / (2 * w**2)) / (w * math.sqrt(2 * math.pi)),
        "exponential": lambda u, w: math.exp(-abs(u) / w) / (2 * w),
        "quadratic_gate": lambda u, w: 1 / w - abs(u) / w**2 if abs(u) < w else 0.0,
        "piecewise_linear": lambda u, w: 0.3 * max(0.0, 1 - abs(u) / w),
        "straight_through": lambda u, w: 1.0,
    }
    areas = {"piecewise_linear": lambda w: 0.3 * w, "straight_through": lambda w: 12 * w}  # noqa: RUF012

    def test_all_are_here(self):
        assert set(SURROGATES) == set(self.formulas)

    @pytest.mark.parametrize("width", [0.25, 0.5, 1.0, 3.0])
    @pytest.mark.parametrize("name", sorted(formulas))
    def test_formula_and_integral(self, name, width):
        u = torch.linspace(-6, 6, 2401, dtype=torch.float64) * width
        found = SURROGATES[name](u, width)
        wanted = [self.formulas[name](float(x), width) for x in u]
        assert np.allclose(found.numpy(), wanted, rtol=1e-12, atol=1e-15)
        mass = float(torch.trapezoid(found, u))
        outside = {
            "arctan": 2 / math.pi * math.atan(2 / (math.pi * 6)),
            "sigmoid": 2 / (1 + math.exp(6)),
            "exponential": math.exp(-6),
        }
        area = self.areas.get(name, lambda w: 1)(width)
        assert mass + outside.get(name, 0) == pytest.approx(area, abs=6e-3 * max(area, 1))


class TestStbpByHand:
    """One neuron, one weight, T steps: the chain written down step by step."""

    @pytest.mark.parametrize("detach", [False, True])
    @pytest.mark.parametrize("reset", ["hard", "soft", "none"])
    @pytest.mark.parametrize("surrogate", sorted(SURROGATES))
    def test_chain(self, surrogate, reset, detach):
        beta, theta, w, x, width = 0.8, 1.25, 0.9, 0.7, 0.6
        v, dv, wanted, count = 0.0, 0.0, 0.0, 0
        for _ in range(STEPS):
            h, dh = beta * v + w * x, beta * dv + w  # d/dx
            s = float(h > theta)
            unit = theta if surrogate == "piecewise_linear" else 1.0
            ds = 2 * TestDerivatives.formulas[surrogate]((h - theta) / unit, width) * dh
            through = 0.0 if detach else ds
            if reset == "hard":
                v, dv = h * (1 - s), dh * (1 - s) - h * through
            elif reset == "soft":
                v, dv = h - theta * s, dh - theta * through
            else:
                v, dv = h, dh
            wanted, count = wanted + ds, count + s
        graph = stack(
            (1,),
            STEPS,
            fc=ir.Affine(weight=[[w]]),
            lif=ir.LIF(beta=beta, threshold=theta, reset=reset),
        )
        estimator = Stbp(surrogate, width, scale=2.0, detach_reset=detach)
        found, scores = gradient(estimator, graph, [[[x]]], [1.0])
        assert found.item() == pytest.approx(wanted, rel=1e-13)
        assert scores.item() == count > 0

    def test_the_reset_path_counts(self):
        graph = stack((1,), STEPS, lif=ir.LIF(beta=0.9, threshold=1.0))
        attached, _ = gradient(Stbp(), graph, [[[0.7]]], [1.0])
        detached, _ = gradient(Stbp(detach_reset=True), graph, [[[0.7]]], [1.0])
        assert abs(attached - detached).max() > 0.1


class TestStbpAgainstAutograd:
    """Float64 autograd of a loop in which the network is written out without the engine."""

    @pytest.mark.parametrize("detach", [False, True])
    @pytest.mark.parametrize("timed", [False, True])
    def test_two_layers_with_current_and_loop(self, timed, detach):
        draw = np.random.default_rng(3)
        w1, w2, w3 = (
            draw.normal(size=(6, 5)),
            draw.normal(size=(6, 6)) / 2,
            draw.normal(size=(3, 6)),
        )
        b1, x = draw.normal(size=6) / 5, draw.uniform(0, 1, (4, STEPS if timed else 1, 5))
        graph = wired(
            ["input a hidden b out output", "hidden>2 back hidden"],
            ir.Header(dt_s=1e-3, steps=STEPS, mean=(0.3,), std=(0.5,), bounds=(-1, 1)),
            input=(5,),
            a=ir.Affine(weight=w1, bias=b1),
            hidden=ir.LIF(
                beta=0.9, threshold=0.8, alpha=0.5, gain_in=1.5, gain_syn=0.75, bias=0.05
            ),
            back=ir.Affine(weight=w2),
            b=ir.Affine(weight=w3),
            out=ir.LIF(beta=0.7, threshold=0.5, reset="soft"),
            output=ir.Output(readout="mean"),
        )
        found, scores = gradient(Stbp(detach_reset=detach), graph, x)

        t1, t2, t3, c1 = (torch.tensor(value) for value in (w1, w2, w3, b1))
        leaf = torch.tensor(x, requires_grad=True)
        i = v1 = torch.zeros(4, 6, dtype=torch.float64)
        v2, spikes, outs = torch.zeros(4, 3, dtype=torch.float64), [], []
        cut = torch.Tensor.detach if detach else torch.Tensor.clone
        for t in range(STEPS):
            shown = (leaf[:, t if timed else 0] - 0.3) / 0.5
            drive = shown @ t1.T + c1
            if t >= 2:
                drive = drive + spikes[t - 2] @ t2.T
            i = 0.5 * i + 1.5 * drive
            h = 0.9 * v1 + 0.75 * i + 0.05
            s = spike(h - 0.8)
            v1 = h * (1 - cut(s))
            spikes.append(s)
            h = 0.7 * v2 + s @ t3.T
            s = spike(h - 0.5)
            v2 = h - 0.5 * cut(s)
            outs.append(s)
        wanted_scores = torch.stack(outs).mean(0)
        loss = (wanted_scores * torch.linspace(-1, 2, 3, dtype=torch.float64)).sum()
        (wanted,) = torch.autograd.grad(loss, leaf)
        assert np.allclose(scores, wanted_scores.detach().numpy(), atol=1e-14)
        assert 0.05 < torch.stack(spikes).mean() < 0.95
        assert np.abs(found - wanted.numpy()).max() < 1e-12 * np.abs(found).max()


class TestRgaGain:
    """R1."""

    @pytest.mark.parametrize("gamma", [0.2, 0.0, 0.4])
    @pytest.mark.parametrize("theta", [1.0, 0.5, 2.0])
    @pytest.mark.parametrize("reset", ["hard", "soft"])
    @pytest.mark.parametrize("decay", [0.5, 0.9, 1.0])
    def test_slope_of_the_curve_through_three_points(self, decay, reset, theta, gamma):
        end = {"hard": 2.0, "soft": 1.0}[reset] * theta
        knee = (1 - decay) * theta
        current = np.linspace(-0.51, 1.2 * end, 400)

        def curve(at):  # through (0, 0), (knee, gamma knee), (end, 1), flat outside
            return np.interp(at, [0, knee, end], [0, gamma * knee, 1])

        step = 1e-7
        wanted = (curve(current + step) - curve(current - step)) / (2 * step)
        away = np.min(np.abs(current[:, None] - [0, knee, end]), axis=1) > 2 * step
        lif = neuron(beta=decay, threshold=theta, reset=reset)
        drive = torch.tensor(current)[None]
        found = Rga(gamma).gain(lif, drive, drive).numpy()
        assert away.sum() > 390
        assert np.abs(found - wanted)[away].max() < 1e-6

    @pytest.mark.parametrize("theta", [1.0, 0.5, 2.0])
    @pytest.mark.parametrize(
        ("decay", "beta"), [(0.0, 2), (0.5, 1), (0.5, 2), (0.9, 1), (0.9, 2), (1.0, 1), (1.0, 2)]
    )
    def test_integral_is_one(self, decay, beta, theta):
        current = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000 * beta * theta
        found = rate_slope(
            current, *(torch.tensor(p).double() for p in (decay, theta)), 0.2, beta, closed=False
        )
        assert found.mean().item() * beta * theta == pytest.approx(1, abs=1e-4)

    def test_published_numbers(self):
        """Slopes above the knee in the release: 0.5, 0.98/1.9 and 0.9/1.5; 0.2 below it."""
        for decay, slope in ((1.0, 0.5), (0.9, 0.98 / 1.9), (0.5, 0.6)):
            gain = Rga().gain(
                neuron(beta=decay), torch.tensor([[1.5, 1e-9]], dtype=torch.float64), None
            )
            below = 0.5 if decay == 1 else 0.2
            assert gain.tolist() == [pytest.approx(slope), pytest.approx(below)]

    @pytest.mark.parametrize(
        ("variant", "at_knee", "at_zero"), [("poster", 0.2, 0.2), ("code", 0.2 + 0.6, 0.7)]
    )
    def test_on_the_knee(self, variant, at_knee, at_zero):
        """The poster's segments are half-open; the release closes both and adds their slopes."""
        points = torch.tensor([[0.5, 0.0, 2.0, -1e-12, 2.0 + 1e-12]], dtype=torch.float64)
        found = Rga(variant=variant).gain(neuron(beta=0.5), points, None).tolist()
        assert found == pytest.approx([at_knee, 0.2, 0.6, 0.0, 0.0])
        silent = torch.zeros(1, 1).double()
        assert Rga(variant=variant).gain(neuron(beta=1.0), silent, None).item() == pytest.approx(
            at_zero
        )

    def test_the_release_takes_the_threshold_as_one(self):
        drive = torch.tensor([[0.3, 0.7, 1.9]], dtype=torch.float64)
        odd, one = neuron(threshold=0.5), neuron(threshold=1.0)
        code = Rga(variant="code")
        assert torch.equal(code.gain(odd, drive, drive), code.gain(one, drive, drive))
        assert not torch.equal(Rga().gain(odd, drive, drive), Rga().gain(one, drive, drive))

    def test_saturation_by_reset(self):
        drive = torch.tensor([[1.5]], dtype=torch.float64)
        slopes = [Rga().gain(neuron(reset=r), drive, None).item() for r in ("hard", "soft", "none")]
        assert slopes == [pytest.approx(0.6), 0.0, 0.0]
        assert Rga(beta=3.0).gain(neuron(reset="soft"), drive, None).item() == pytest.approx(
            0.9 / 2.5
        )

    def test_without_memory_and_with_soft_reset_nothing_is_nan(self):
        """Knee and saturation coincide: the upper segment is empty, its slope infinite."""
        drive = torch.tensor([[-1.0, 0.5, 1.0, 1.5]], dtype=torch.float64)
        found = Rga().gain(neuron(beta=0.0, reset="soft"), drive, None)
        assert found.tolist() == pytest.approx([0.0, 0.2, 0.2, 0.0])

    def test_current_of_a_filtered_neuron(self):
        """Means over time; gains multiply, the filter has its DC gain, the bias adds."""
        lif = neuron(beta=0.9, alpha=0.75, gain_in=0.5, gain_syn=0.25, bias=0.125)
        drive = torch.tensor([[0.0], [3.0]], dtype=torch.float64)  # mean 1.5, times 0.5 0.25 / 0.25
        slope = (1 - 0.2 * 0.1) / 1.9  # at 0.875
        assert Rga().gain(lif, drive, None).item() == pytest.approx(0.5 * slope)
        low = drive - 1.7  # mean -0.2: current 0.025 is below the knee of 0.1
        assert Rga().gain(lif, low, None).item() == pytest.approx(0.5 * 0.2)

    def test_per_neuron_thresholds_and_decays(self):
        lif = neuron(beta=np.array([0.5, 1.0]), threshold=np.array([1.0, 2.0]))
        found = Rga().gain(lif, torch.full((3, 4, 2), 1.5).double(), None)
        assert found.shape == (4, 2)
        assert found[0].tolist() == [pytest.approx(0.6), pytest.approx(0.25)]


class TestCollapse:
    """R2."""

    def test_another_gradient_than_stbp(self):
        graph = mixed("count")
        x = np.random.default_rng(1).uniform(0, 1, (3, 1, 2, 6, 6))
        rate, time = (gradient(e, graph, x)[0] for e in (Rga(), Stbp()))
        assert np.linalg.norm(rate - time) > 0.1 * np.linalg.norm(time)

    def exceptions(self):
        base, last = mixed("count"), mixed("last")
        delayed = tuple(replace(e, delay=2) if e.source == "pool" else e for e in base.edges)
        loop = (*base.edges, *edges_of(["out>1 back out"]))
        half = ir.Affine(weight=np.eye(3) / 2)
        leaky = last.nodes["li"]
        # The counting neurons go; in their place an integral that another one reads by spikes.
        inner = [e for e in base.edges if "out" not in (e.source, e.target)]
        relay = edges_of(["fc li mix n end li2 output", "skip li output"])
        within = {k: v for k, v in base.nodes.items() if k not in ("out", "output")}
        within |= {"li": ir.LI(beta=1.0), "li2": ir.LI(beta=1.0), "mix": half, "end": half}
        within |= {"n": ir.LIF(beta=0.9, threshold=1.0), "output": ir.Output(readout="last")}
        return {
            "max pool": mixed("count", pool=replace(base.nodes["pool"], op="max")),
            "delay": base.with_(edges=delayed),
            "loop": base.with_(nodes=base.nodes | {"back": half}, edges=loop),
            "leaky readout": mixed("last", li=replace(leaky, beta=np.array(0.9))),
            "one leak of three": mixed("last", li=replace(leaky, beta=np.array([1, 1, 0.5]))),
            "last spike": mixed("count", output=ir.Output(readout="last")),
            "largest": mixed("count", output=ir.Output(readout="max")),
            "largest membrane": mixed("last", output=ir.Output(readout="max")),
            "mean membrane": mixed("last", output=ir.Output(readout="mean")),
            "counted membrane": mixed("last", output=ir.Output(readout="count")),
            "integral within": ir.Graph(header=base.header, nodes=within, edges=(*inner, *relay)),
        }

    @pytest.mark.parametrize("timed", [False, True])
    def test_where_it_is_not_exact_all_steps_are_taken(self, timed):
        x = np.random.default_rng(1).uniform(0, 1, (3, STEPS if timed else 1, 2, 6, 6))
        for name, graph in self.exceptions().items():
            assert not collapses(graph), name
            found, _ = gradient(Rga(), graph, x)
            full, _ = gradient(Rga(collapse=False), graph, x)
            assert np.array_equal(found, full), name
            assert np.abs(full).max() > 0, name
            assert np.isfinite(full).all(), name

    def test_a_first_spike_has_no_slope(self):
        graph = mixed("count", output=ir.Output(readout="first"))
        assert not collapses(graph)
        x = torch.rand(1, 1, 2, 6, 6, dtype=torch.float64, requires_grad=True)
        assert not Rga().scores(Network(graph), x, STEPS).requires_grad

    def test_all_steps_by_hand(self):
        """d score / d x[t] = b^(T-1-t) W2 F' W1, shifted by the delay of an edge."""
        draw = np.random.default_rng(2)
        w1, w2 = draw.normal(size=(5, 4)), draw.normal(size=(2, 5))
        x = draw.uniform(0, 1, (3, STEPS, 4))
        for delay in (0, 2):
            graph = wired(
                [f"input a lif>{delay} b li output"],
                STEPS,
                input=(4,),
                a=ir.Affine(weight=w1),
                lif=ir.LIF(beta=0.5, threshold=0.5),
                b=ir.Affine(weight=w2),
                li=ir.LI(beta=0.75, gain_in=3.0),
                output=ir.Output(readout="last"),
            )
            found, _ = gradient(Rga(), graph, x, [1.0, -2.0])
            mean = x.mean(1) @ w1.T  # knee 0.25, saturation 1
            upper = (1 - 0.2 * 0.25) / 0.75
            gain = np.where((mean >= 0) & (mean <= 0.25), 0.2, 0) + np.where(
                (mean > 0.25) & (mean <= 1), upper, 0
            )
            path = (np.array([1.0, -2.0]) @ w2) * gain @ w1 * 3
            for t in range(STEPS):
                late = STEPS - 1 - delay - t
                wanted = path * 0.75**late if late >= 0 else 0 * path
                assert np.allclose(found[:, t], wanted, rtol=1e-12, atol=1e-15)


class TestForwardIdentity:
    @pytest.mark.parametrize("compare", [">", ">="])
    def test_a_wrong_comparison_is_caught(self, compare):
        class Wrong(Stbp):
            def scores(self, network, x, steps):
                other = {">": ">=", ">=": ">"}[compare]
                lif = replace(network.graph.nodes["lif"], compare=other)
                nodes = network.graph.nodes | {"lif": lif}
                return super().scores(Network(network.graph.with_(nodes=nodes)), x, steps)

        graph = stack((2,), 2, lif=ir.LIF(beta=0.0, threshold=0.5, compare=compare))
        network = Network(graph)
        tie = torch.tensor([[[0.5, 0.75]]], dtype=torch.float64)
        with pytest.raises(InvalidInput, match="'stbp' changes the forward pass: 1 of 2 scores"):
            assert_forward_identity(Wrong(), network, tie, 2)
        assert_forward_identity(Wrong(), network, tie + 0.1, 2)
        assert_forward_identity(Stbp(), network, tie, 2)

    def test_a_single_bit_is_caught(self):
        class Wrong(Stbp):
            def scores(self, network, x, steps):
                return super().scores(network, x, steps) * (1 + 2**-52)

        graph = mixed("mean")
        x = torch.rand(2, 1, 2, 6, 6, dtype=torch.float64)
        with pytest.raises(InvalidInput, match="changes the forward pass"):
            assert_forward_identity(Wrong(), Network(graph), x, STEPS)


class TestMaking:
    def test_by_name(self):
        names = {"stbp", "rga", "bptr", "hart", "cba", "pdsg", "assg", "mix", "time_extended"}
        assert names <= set(ESTIMATORS)
        changes = {"surrogate": "sigmoid", "width": 0.5, "detach_reset": True}
        assert make_estimator("stbp", **changes).parameters() == {"scale": 1.0, **changes}
        usual = {"gamma": 0.2, "beta": None, "variant": "poster", "precision": None}
        assert make_estimator("rga").parameters() == usual

    @pytest.mark.parametrize(
        ("name", "parameters", "text"),
        [
            ("magic", {}, "no gradient estimator is named 'magic'; known are"),
            ("rga", {"wide": 1}, "'rga': it has no parameter wide; it takes gamma, beta"),
            ("stbp", {"scale": -1.0}, "STBP: scale is -1.0; it must be finite and above 0"),
            ("rga", {"gamma": math.nan}, "RGA: gamma is nan; it must be at least 0"),
            ("rga", {"precision": "int8"}, "RGA: precision is 'int8'; "),
            ("hart", {"gamma": 0.0}, "HART: gamma is 0.0; it must be finite and above 0"),
            ("hart", {"gamma": -1.0}, "HART: gamma is -1.0"),
            ("hart", {"gamma": math.inf}, "HART: gamma is inf; it must be finite"),
            ("hart", {"gamma": None}, "HART: gamma is None"),
            ("hart", {"surrogate": "box"}, "HART: surrogate is 'box'"),
            ("pdsg", {"scope": "layer"}, "PDSG: scope is 'layer'; known are sample, batch"),
            ("assg", {"vanishing": 0.5}, "vanishing is 0.5; it must be above 0 and below 0.5"),
            ("assg", {"surrogate": "exponential"}, "ASSG: surrogate is 'exponential'"),
            ("assg", {"sharpness": 0.0}, "ASSG: sharpness is 0.0"),
            ("assg", {"beta1": 1.0}, "beta1 is 1.0; it must be at least 0 and below 1"),
            ("assg", {"relax": -1.0}, "relax is -1.0; it must be at least 0"),
            ("mix", {}, "missing 1 required positional argument: 'members'"),
            ("mix", {"members": []}, "a mix takes members and one weight each, got 0 and 0"),
            ("mix", {"members": [Rga()], "weights": [0]}, "not all 0"),
            ("mix", {"members": [Rga()], "weights": [1, 2]}, "got 1 and 2"),
            ("mix", {"members": [Rga(), Stbp()], "weights": [1, -1]}, "must be at least 0"),
            ("time_extended", {"inner": Rga(), "factor": 0}, "factor is 0; it must be at least 1"),
            ("stbp", {"surrogate": "box"}, "surrogate is 'box'; known are"),
            ("stbp", {"width": 0.0}, "STBP: width is 0.0"),
            ("stbp", {"width": math.nan}, "STBP: width is nan"),
            ("stbp", {"width": "wide"}, "STBP: width is 'wide'; it must be finite and above 0"),
            ("rga", {"variant": "paper"}, "known are poster, code"),
            ("rga", {"gamma": -0.1}, "RGA: gamma is -0.1"),
            ("rga", {"beta": 0.0}, "RGA: beta is 0.0; it must be above 0"),
        ],
    )
    def test_refused(self, name, parameters, text):
        with pytest.raises(InvalidInput) as caught:
            make_estimator(name, **parameters)
        assert text in str(caught.value)
