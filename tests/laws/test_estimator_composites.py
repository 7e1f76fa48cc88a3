"""Estimators made of others, encoders that draw, and the errors of a gradient."""

import math

import numpy as np
import pytest
import torch

from neurorobust.engine.estimators import (
    Assg,
    Estimator,
    Hart,
    Mix,
    Rga,
    Stbp,
    TimeExtended,
    assert_forward_identity,
    bernoulli,
    expected_gradient,
    make_estimator,
    tune,
)
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput
from neurorobust.ir import LIF, Affine, Conv2d, Flatten, Graph, Header, Input, Output
from tests.support.estimator_cases import STEPS, gradient, mixed
from tests.support.networks import stack


def sample(seed=1, batch=3):
    return np.random.default_rng(seed).uniform(0, 1, (batch, 1, 2, 6, 6))


class TestMix:
    def test_raw_is_the_weighted_mean(self):
        graph, x = mixed("count"), sample()
        parts = [gradient(e, graph, x)[0] for e in (Hart(), Stbp(), Rga())]
        found, _ = gradient(Mix([Hart(), Stbp(), Rga()], [1, 2, 5], normalise=False), graph, x)
        assert np.allclose(found, (parts[0] + 2 * parts[1] + 5 * parts[2]) / 8, rtol=1e-10)

    def test_normalised_is_the_mean_of_directions(self):
        """An exploding member counts as much as any other."""
        graph, x = mixed("count"), sample()
        wanted = 0
        for member in (Hart(), Stbp(scale=100.0)):
            g, _ = gradient(member, graph, x)
            wanted = wanted + g / np.abs(g).mean((1, 2, 3, 4), keepdims=True) / 2
        found, _ = gradient(Mix([Hart(), Stbp(scale=100.0)]), graph, x)
        assert np.allclose(found, wanted, rtol=1e-10)
        raw, _ = gradient(Mix([Hart(), Stbp(scale=100.0)], normalise=False), graph, x)
        assert np.abs(raw).mean() > 100 * np.abs(found).mean()

    def test_a_vanished_member_does_no_harm(self):
        graph, x = mixed("count"), sample()
        silent = Stbp("rectangle", 1e-12)
        assert not gradient(silent, graph, x)[0].any()
        found, _ = gradient(Mix([silent, Hart()]), graph, x)
        alone, _ = gradient(Mix([Hart()]), graph, x)
        assert np.allclose(found, alone / 2)

    def test_members_must_agree_on_the_forward_pass(self):
        network, x = Network(mixed("mean")), torch.tensor(sample())
        with pytest.raises(InvalidInput, match="rga differs from the first member"):
            Mix([Hart(), Rga(precision="bf16")]).scores(network, x, STEPS)
        assert_forward_identity(
            Mix([Hart(precision="bf16"), Rga(precision="bf16")]), network, x, STEPS
        )

    def test_parameters_name_the_members(self):
        found = make_estimator("mix", members=[Hart(0.5), Stbp()], weights=[1, 3]).parameters()
        assert found["weights"] == [0.25, 0.75]
        assert found["normalise"] is True
        assert [m["name"] for m in found["members"]] == ["hart", "stbp"]
        assert found["members"][0]["gamma"] == 0.5


class TestTimeExtended:
    @pytest.mark.parametrize("inner", [Rga(), Stbp(), Assg()])
    def test_is_the_estimator_at_more_steps(self, inner):
        graph, x = mixed("mean"), sample()
        network = Network(graph)
        extended = TimeExtended(inner, 3)
        assert_forward_identity(extended, network, torch.tensor(x), STEPS)
        found, scores = gradient(extended, graph, x)
        inner.reset()
        wanted, long = gradient(inner, graph, x, steps=3 * STEPS)
        assert np.array_equal(found, wanted)
        assert np.array_equal(scores, long)
        _, short = gradient(inner, graph, x)
        assert not np.array_equal(scores, short)

    def test_an_input_with_steps_is_refused(self):
        x = torch.zeros(1, STEPS, 2, 6, 6)
        with pytest.raises(InvalidInput, match=f"has {STEPS} steps of its own"):
            TimeExtended(Rga()).scores(Network(mixed("mean")), x, STEPS)

    def test_parameters(self):
        found = TimeExtended(Hart(0.5), 4).parameters()
        assert found["factor"] == 4
        assert found["inner"]["name"] == "hart"


def coded(bounds=(0.0, 1.0)):
    draw = np.random.default_rng(3)
    return stack(
        (2, 5, 5),
        Header(dt_s=1e-3, steps=STEPS, coding="bernoulli", bounds=bounds),
        conv=Conv2d(weight=draw.normal(size=(4, 2, 3, 3)), stride=(2, 2), padding=(1, 1)),
        lif=LIF(beta=0.9, threshold=1.0),
        flat=Flatten(),
        fc=Affine(weight=draw.normal(size=(3, 36))),
        out=LIF(beta=0.8, threshold=1.0),
    )


class TestEncoding:
    def test_spikes_have_the_value_as_their_probability(self):
        header = Header(dt_s=1e-3, steps=4, coding="bernoulli", bounds=(-1.0, 3.0))
        x = torch.tensor([[-1.0, 0.0, 1.0, 3.0]], dtype=torch.float64)
        drawn = bernoulli(x, header, 20_000, torch.Generator().manual_seed(0))
        assert drawn.shape == (1, 20_000, 4)
        assert set(drawn.unique().tolist()) == {0.0, 1.0}
        mean = drawn.mean(1)[0].tolist()
        assert mean[0] == 0
        assert mean[3] == 1
        assert mean[1:3] == pytest.approx([0.25, 0.5], abs=4 * math.sqrt(0.25 / 20_000))

    def test_straight_through(self):
        header = Header(dt_s=1e-3, steps=4, coding="bernoulli", bounds=(-1.0, 3.0))
        x = torch.rand(2, 3, dtype=torch.float64, requires_grad=True)
        drawn = bernoulli(x, header, 4, torch.Generator().manual_seed(0))
        g = torch.rand(2, 4, 3, dtype=torch.float64)
        (found,) = torch.autograd.grad(drawn, x, g)
        assert torch.allclose(found, g.sum(1) / 4)

    def test_the_gradient_crafted_from_a_spiking_network_is_a_special_case(self):
        """R3: the transposed first layer applied to the sum over time of the gradient behind it."""
        graph = coded()
        network = Network(graph)
        x = torch.rand(3, 2, 5, 5, dtype=torch.float64)
        weights = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
        estimator = Stbp("piecewise_linear")
        at = x.clone().requires_grad_()
        spikes = bernoulli(at, graph.header, STEPS, torch.Generator().manual_seed(5))
        scores = estimator.scores(network, spikes, STEPS)
        (through,) = torch.autograd.grad((scores * weights).sum(), at)

        behind = Graph(
            header=Header(dt_s=1e-3, steps=STEPS, coding="events", bounds=(-99.0, 99.0)),
            nodes={"current": Input(shape=graph.shapes["conv"])}
            | {k: v for k, v in graph.nodes.items() if k not in ("input", "conv")},
            edges=tuple(
                type(e)("current" if e.source == "conv" else e.source, e.target)
                for e in graph.edges
                if e.source != "input"
            ),
        )
        kernel = torch.tensor(graph.nodes["conv"].weight)
        current = torch.nn.functional.conv2d(
            spikes.detach().flatten(0, 1), kernel, stride=2, padding=1
        ).unflatten(0, (3, STEPS))
        current.requires_grad_()
        again = estimator.scores(Network(behind), current, STEPS)
        (by_current,) = torch.autograd.grad((again * weights).sum(), current)
        crafted = torch.nn.functional.conv_transpose2d(
            by_current.sum(1), kernel, stride=2, padding=1
        )
        assert torch.equal(scores, again)
        assert through.abs().max() > 0
        assert (through - crafted).norm() < 1e-12 * crafted.norm()

    def test_the_mean_over_draws(self):
        graph = coded((0.0, 2.0))
        network = Network(graph)
        x = torch.rand(2, 2, 5, 5, dtype=torch.float64)

        def loss(scores):
            return scores[:, 0] ** 2 - scores[:, 1]

        found = expected_gradient(
            Stbp(), network, x, loss, generator=torch.Generator().manual_seed(2), draws=4
        )
        generator, wanted = torch.Generator().manual_seed(2), torch.zeros_like(x)
        for _ in range(4):
            spikes = bernoulli(x, graph.header, STEPS, generator)
            wanted += Stbp().gradient(network, spikes, STEPS, loss).sum(1) / 2 / 4
        assert torch.allclose(found, wanted, rtol=1e-12)
        single = expected_gradient(
            Stbp(), network, x, loss, generator=torch.Generator().manual_seed(2), draws=1
        )
        assert not torch.allclose(found, single)

    def test_averages_move_once_for_all_draws(self):
        network = Network(coded())
        x = torch.rand(2, 2, 5, 5, dtype=torch.float64)
        learnt, frozen = Assg(), Assg()

        def first(scores):
            return scores[:, 0]

        for estimator, draws in ((learnt, 1), (frozen, 5)):
            expected_gradient(
                estimator,
                network,
                x,
                first,
                generator=torch.Generator().manual_seed(0),
                draws=draws,
            )
        shown = bernoulli(x, network.graph.header, STEPS, torch.Generator().manual_seed(9))
        one, two = (e.gradient(network, shown, STEPS, first) for e in (learnt, frozen))
        assert torch.equal(one, two)

    @pytest.mark.parametrize(
        ("graph", "draws", "text"),
        [(mixed("count"), 1, "the coding is 'direct'"), (coded(), 0, "draws is 0")],
    )
    def test_refused(self, graph, draws, text):
        x, generator = torch.zeros(1, *graph.input_shape), torch.Generator()
        with pytest.raises(InvalidInput, match=text):
            expected_gradient(Rga(), Network(graph), x, torch.sum, generator=generator, draws=draws)


class TestGradient:
    def test_is_that_of_the_loss(self):
        graph, x = mixed("count"), sample()
        weights = torch.linspace(-1, 2, 3, dtype=torch.float64)
        found = Stbp().gradient(Network(graph), torch.tensor(x), STEPS, lambda s: s @ weights)
        assert np.array_equal(found.numpy(), gradient(Stbp(), graph, x)[0])

    def test_a_model_without_one_is_named(self):
        graph = mixed("count", output=Output(readout="first"))
        for estimator in (Rga(), Hart(), Stbp(), Mix([Rga()])):
            if estimator.scores(
                Network(graph), torch.tensor(sample()).requires_grad_(), STEPS
            ).requires_grad:
                continue
            with pytest.raises(InvalidInput, match=f"the {estimator.name} scores have no gradient"):
                estimator.gradient(Network(graph), torch.tensor(sample()), STEPS, torch.sum)

    def test_a_gradient_that_is_no_number_is_named(self):
        class Broken(Stbp):
            def scores(self, network, x, steps):
                return super().scores(network, x, steps) + (x.sum() - x.sum().detach()) * math.nan

        with pytest.raises(InvalidInput, match=r"the stbp gradient of 3 sample\(s\) is NaN"):
            Broken().gradient(Network(mixed("count")), torch.tensor(sample()), STEPS, torch.sum)


class TestTune:
    def test_the_best_and_its_record(self):
        seen = []

        def success(estimator: Estimator) -> float:
            seen.append(estimator.gamma)
            return -((estimator.gamma - 0.7) ** 2)

        best, found = tune(Hart, [0.1, 0.6, 0.8, 2.0], success, split="validation")
        assert seen == [0.1, 0.6, 0.8, 2.0] == list(found)
        assert best.gamma == 0.6 or found[0.6] < found[0.8]
        assert best.parameters()["tuned_on"] == "validation"
        assert "tuned_on" not in Hart(0.6).parameters()
        assert TimeExtended(best).parameters()["inner"]["tuned_on"] == "validation"

    def test_the_first_among_equals(self):
        best, _ = tune(Hart, [0.5, 1.0], lambda _: 1.0, split="validation")
        assert best.gamma == 0.5

    @pytest.mark.parametrize(
        ("grid", "split", "success", "text"),
        [
            ([], "validation", 1.0, "the grid is empty"),
            ([1.0], "", 1.0, "name the split"),
            ([1.0], "validation", math.nan, "success is NaN at 1.0"),
        ],
    )
    def test_refused(self, grid, split, success, text):
        with pytest.raises(InvalidInput, match=text):
            tune(Hart, grid, lambda _: success, split=split)
