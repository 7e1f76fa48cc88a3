"""A Program as a target: values of the integer engine, gradients of its Graph."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from neurorobust import ir
from neurorobust.attacks import Linf, Pgd, Request, Target, UniformNoise, craft
from neurorobust.backends import run
from neurorobust.chips import load_profile
from neurorobust.engine.estimators import (
    Assg,
    Bptr,
    Cba,
    Hart,
    Mix,
    Pdsg,
    Rga,
    Stbp,
    TimeExtended,
    assert_forward_identity,
)
from neurorobust.engine.integer import FixedNetwork
from neurorobust.engine.integer_gradient import IntegerTarget
from neurorobust.engine.network import EXACT, Network, Trace
from neurorobust.errors import InvalidInput
from neurorobust.lower import lower
from neurorobust.testing import random_program, random_stimulus
from tests.support.networks import stack
from tests.support.strategies import programs

STEPS, LEVELS = 5, 16
WITHOUT = ("FixedTernaryLIF", "periodic reset")
ESTIMATORS = {
    "stbp": lambda: Stbp("arctan", 0.5),
    "stbp detached": lambda: Stbp("triangle", 1.0, detach_reset=True),
    "assg": Assg,
    "pdsg": Pdsg,
    "rga": Rga,
    "rga, all steps": lambda: Rga(collapse=False),
    "hart": Hart,
    "bptr": Bptr,
    "cba": Cba,
    "mix": lambda: Mix([Rga(), Stbp()]),
}
search = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def on_the_grid():
    """A Graph, and the same as a Program in which nothing is ever rounded.

    Decays are halves: five steps shift a membrane by less than the six bits of a state.
    """
    draw = np.random.default_rng(3)
    sizes = {"conv": (4, 1, 3, 3), "loop": (6, 64), "fc": (3, 6)}
    whole = {name: 2 * draw.integers(-20, 26, size) for name, size in sizes.items()}
    scale = {"lif1": 361, "lif2": 87, "li": 50}
    header = ir.Header(dt_s=1e-3, steps=STEPS, levels=LEVELS)
    graph = stack(
        (1, 6, 6),
        header,
        conv=ir.Conv2d(weight=whole["conv"] * (LEVELS - 1) / scale["lif1"]),
        lif1=ir.LIF(beta=0.5, threshold=1.0, bias=10 / scale["lif1"]),
        flat=ir.Flatten(),
        loop=ir.Affine(weight=whole["loop"] / scale["lif2"]),
        lif2=ir.LIF(beta=0.5, alpha=0.5, threshold=1.0),
        fc=ir.Affine(weight=whole["fc"] / scale["li"]),
        li=ir.LI(beta=1.0),
    )
    program = ir.Program.chain(
        header,
        {
            "input": ir.FixedInput(shape=(1, 6, 6), scale=LEVELS - 1.0, high=LEVELS - 1),
            "conv": ir.FixedConv2d(weight=whole["conv"]),
            "lif1": ir.FixedLIF(vth=scale["lif1"], dv=2048, bias_mant=10, bias_exp=6),
            "flat": ir.Flatten(),
            "loop": ir.FixedDense(weight=whole["loop"]),
            "lif2": ir.FixedLIF(vth=scale["lif2"], dv=2048, du=2047),
            "fc": ir.FixedDense(weight=whole["fc"]),
            "li": ir.FixedLI(),
            "output": ir.Output(readout="last"),
        },
        score_unit=1 / (64 * scale["li"]),
        report=[{"layer": name, "scale": float(s)} for name, s in scale.items()],
    )
    return graph, program


def samples(count=12):
    codes = np.random.default_rng(7).integers(0, LEVELS, (count, 1, 6, 6))
    return codes / (LEVELS - 1)


def gradient(estimator, network, x, weights=(1.0, -2.0, 0.5), steps=STEPS):
    return estimator.gradient(
        network, torch.tensor(x)[:, None], steps, lambda s: s @ torch.tensor(weights).to(s)
    )


@search
@given(programs(avoid=WITHOUT))
def test_scores_spikes_and_membranes_are_those_of_the_integer_engine(case):
    program, stimulus = case
    target, x = IntegerTarget(program), torch.tensor(stimulus.values)
    wanted = FixedNetwork(program).run(stimulus.values, stimulus.steps, ("spikes", "membrane"))
    assert torch.equal(target.run(x, stimulus.steps), wanted.scores)
    trace = Trace()
    assert torch.equal(target.run(x, stimulus.steps, EXACT, trace), wanted.scores)
    for name, spikes in wanted.spikes.items():
        assert torch.equal(trace.spikes[name].transpose(0, 1).to(torch.uint8), spikes)
        found = trace.membrane[name].transpose(0, 1) * target.of_program.units[name]
        assert (found - wanted.membrane[name]).abs().max() < 0.51


@settings(search, max_examples=12)
@given(programs(avoid=WITHOUT))
def test_no_estimator_moves_a_score(case):
    program, stimulus = case
    target, x = IntegerTarget(program), torch.tensor(stimulus.values)
    for make in ESTIMATORS.values():
        assert_forward_identity(make(), target, x, stimulus.steps)


def sees_payloads_as_spikes(program):
    """Whether a synapse without messages is fed more than zeros and ones."""
    node = program.nodes[program.input]
    fed = {edge.target for edge in program.outgoing(program.input)}
    fed |= {
        e.target for n in fed if program.nodes[n].kind == "Flatten" for e in program.outgoing(n)
    }
    blind = [n for n, dense in program.of_kind(ir.FixedDense) if not dense.message_bits]
    return (node.low, node.high) != (0, 1) and bool(fed & set(blind))


def test_the_graph_receives_what_the_integers_do_where_nothing_overflows():
    """Weights, exponents, delays, biases and decays are all in the difference."""
    seen = 0
    for seed in range(160):
        rng = np.random.default_rng(seed)
        program = random_program(rng, avoid=WITHOUT)
        stimulus = random_stimulus(rng, program)
        target, x = IntegerTarget(program), torch.tensor(stimulus.values)
        ran = target.integers(x, stimulus.steps, ("overflows",))
        lost = sum(int(c.wrapped.sum() + c.saturated.sum()) for c in ran.overflows.values())
        if lost or sees_payloads_as_spikes(program):
            continue
        seen += 1
        _, led = target.lead(x, stimulus.steps, EXACT)
        Network.run(target, x, stimulus.steps, led)
        dense = [node for _, node in program.of_kind(ir.FixedDense)]
        floors = sum(1 + np.ptp(getattr(n, "delay", 0)) for n in dense if n.weight_exp < 0)
        for name, parts in led.arrived.items():
            away = (torch.cat(parts) - led.drives[name]).abs().max()
            # Roundings of the two states now and of the current before, and a tie twice.
            assert away <= floors + 4 / 64, (seed, name)
    assert seen >= 40


@pytest.mark.parametrize("name", ESTIMATORS)
def test_without_rounding_the_gradient_is_that_of_the_float_network(name):
    graph, program = on_the_grid()
    target, network, x = IntegerTarget(program), Network(graph), samples()
    ran = target.integers(torch.tensor(x)[:, None], STEPS, ("membrane",))
    for layer in ("lif1", "lif2"):  # a tie is moved by half an integer
        assert not (ran.membrane[layer] == 64 * program.nodes[layer].vth).any()
    assert torch.allclose(ran.scores, network.run(torch.tensor(x)[:, None], STEPS), atol=1e-12)
    make = ESTIMATORS[name]
    wanted, found = gradient(make(), network, x), gradient(make(), target, x)
    assert wanted.abs().max() > 0
    assert torch.allclose(found, wanted, rtol=1e-9, atol=1e-9 * wanted.abs().max())


def test_a_time_extended_gradient_runs_the_integers_longer():
    _, program = on_the_grid()
    target, x = IntegerTarget(program), torch.tensor(samples())[:, None]
    estimator = TimeExtended(Stbp(), 2)
    wanted = FixedNetwork(program).run(x.numpy(), 2 * STEPS).scores
    assert torch.equal(estimator.scores(target, x, STEPS).detach(), wanted)


def test_one_neuron_has_the_gradient_of_the_law_by_hand():
    """One step: ``score = 1[64 w q > 64 vth]``; width 1 in thresholds of ``vth`` (no report)."""
    weight, vth, scale, value = 30, 100, 10.0, 0.31
    program = ir.Program.chain(
        ir.Header(dt_s=1e-3, steps=1),
        {
            "input": ir.FixedInput(shape=(1,), scale=scale, high=10),
            "fc": ir.FixedDense(weight=[[weight]], message_bits=8),
            "lif": ir.FixedLIF(vth=vth),
            "output": ir.Output(),
        },
    )
    found = gradient(Stbp("triangle", 1.0), IntegerTarget(program), np.array([[value]]), [1.0], 1)
    h = weight * round(value * scale) / vth
    assert found.item() == pytest.approx((1 - abs(h - 1)) * weight * scale / vth, rel=1e-12)


@pytest.fixture(scope="module")
def float_graph():
    draw = np.random.default_rng(1)
    header = ir.Header(dt_s=1e-3, steps=6, levels=256, mean=(0.4,), std=(0.5,))
    return stack(
        (1, 5, 5),
        header,
        conv=ir.Conv2d(weight=draw.normal(0.1, 0.5, (3, 1, 3, 3)), bias=draw.normal(0.1, 0.1, 3)),
        lif1=ir.LIF(beta=0.8, threshold=1.0),
        flat=ir.Flatten(),
        fc1=ir.Affine(weight=draw.normal(0.05, 0.35, (12, 27))),
        lif2=ir.LIF(beta=0.7, alpha=0.3, threshold=0.5),
        fc2=ir.Affine(weight=draw.normal(0, 0.5, (4, 12)), bias=draw.normal(0, 0.1, 4)),
        li=ir.LI(beta=1.0, gain_in=np.array(1 / 6)),
    )


def lowered(graph, coding="graded", **options):
    return lower(graph, load_profile("loihi2").profile, input_coding=coding, **options)


def pixels(count=16, seed=5):
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 5, 5)) / 255


class TestHost:
    @pytest.mark.parametrize("coding", ["graded", "bias", "host"])
    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_every_coding_has_a_gradient_near_that_of_the_float_network(
        self, float_graph, coding, name
    ):
        target = IntegerTarget(lowered(float_graph, coding))
        x, weights, make = pixels(), (1.0, -1.0, 2.0, 0.5), ESTIMATORS[name]
        assert_forward_identity(make(), target, torch.tensor(x)[:, None], 6)
        found = gradient(make(), target, x, weights, 6).flatten(1)
        wanted = gradient(make(), Network(float_graph), x, weights, 6).flatten(1)
        assert torch.nn.functional.cosine_similarity(found, wanted).median() > 0.9

    def test_the_gradient_passes_a_linear_host_by_its_transpose(self, float_graph):
        """Against that at the chip's input, pulled back by autograd through the host alone."""
        program = lowered(float_graph, "bias")
        x, weights = torch.tensor(pixels())[:, None], (1.0, -1.0, 2.0, 0.5)
        found = gradient(Stbp(), IntegerTarget(program), x[:, 0].numpy(), weights, 6)
        at = x.clone().requires_grad_()
        shape = program.shapes[program.input]
        sent = Network(program.host).arrivals(at, 6).transpose(0, 1).unflatten(-1, shape)
        chip = IntegerTarget(program.with_(host=None))
        here = gradient(Stbp(), chip, sent.detach()[:, 0].numpy(), weights, 6)
        (wanted,) = torch.autograd.grad(sent, at, here)
        assert torch.allclose(found, wanted, rtol=1e-8, atol=1e-10 * wanted.abs().max())

    def test_scores_are_those_of_the_backend(self, float_graph):
        from neurorobust.data import Stimulus

        program, x = lowered(float_graph, "host"), pixels(40)
        wanted = run(program, Stimulus(x[:, None], 6))
        found = IntegerTarget(program).run(torch.tensor(x)[:, None], 6)
        assert np.array_equal(found.numpy(), wanted.scores)


class TestAttack:
    def test_pgd_raises_the_loss_of_the_integers_more_than_noise(self, float_graph):
        target = IntegerTarget(lowered(float_graph, weight_bits=4))
        x, threat = pixels(32), Linf.of(float_graph.header, 16 / 255)
        y = Target(target, None).decide(torch.tensor(x)).numpy()
        found = Pgd(Stbp("arctan", 0.5))(target, x, y, threat, seed=2)
        noise = UniformNoise()(target, x, y, threat, seed=2)

        def loss(images):
            scores = target.run(torch.tensor(images)[:, None], 6)
            return torch.nn.functional.cross_entropy(scores, torch.tensor(y)).item()

        assert loss(found.adversarial) > loss(noise.adversarial) > loss(x) - 0.1
        assert loss(found.adversarial) > 1.3 * loss(x)
        assert (found.adversarial_decision != y).sum() > (noise.adversarial_decision != y).sum()
        decided = Target(target, None).decide(torch.tensor(found.adversarial)).numpy()
        assert np.array_equal(decided, found.adversarial_decision)
        assert threat.violations(torch.tensor(found.adversarial), torch.tensor(x)) == 0

    def test_a_set_names_the_program_it_was_crafted_on(self, float_graph, tmp_path):
        program, x = lowered(float_graph), pixels(4)
        threat = Linf.of(float_graph.header, 8 / 255)
        request = Request(IntegerTarget(program), x, np.zeros(4, np.int64), threat)
        made, _ = craft(Pgd(Rga(), steps=2), request, tmp_path)
        assert made.request["model"] == program.content_hash != float_graph.content_hash


class TestRefusals:
    def chain(self, steps, **nodes):
        front = {
            "input": ir.FixedInput(shape=(2,), scale=1.0, high=1),
            "fc": ir.FixedDense(weight=[[8, 8]]),
        }
        return ir.Program.chain(
            ir.Header(dt_s=1e-3, steps=steps), front | nodes | {"output": ir.Output()}
        )

    def test_ternary_neurons(self):
        with pytest.raises(InvalidInput, match="lif: ternary neurons have no gradient"):
            IntegerTarget(self.chain(3, lif=ir.FixedTernaryLIF(vth_low=-4, vth_high=4)))

    def test_resets_within_the_run_and_none_without(self):
        lif = ir.FixedLIF(vth=20, reset_interval=4)
        with pytest.raises(InvalidInput, match="lif: its state is reset before step 4 of 5"):
            IntegerTarget(self.chain(5, lif=lif))
        target, x = IntegerTarget(self.chain(4, lif=lif)), torch.ones(1, 1, 2)
        assert Stbp().scores(target, x, 4).tolist() == [[2.0]]
        with pytest.raises(InvalidInput, match="before step 4 of 8"):
            TimeExtended(Stbp()).scores(target, x, 4)

    def test_half_precision(self):
        target = IntegerTarget(self.chain(4, lif=ir.FixedLIF(vth=20)))
        with pytest.raises(InvalidInput, match="integers do not run in bfloat16"):
            Rga(precision="bf16").scores(target, torch.ones(1, 1, 2), 4)
