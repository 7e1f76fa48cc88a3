"""Attacks on the integers themselves: overflows and turned spikes, counted by the engine."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from neurorobust import ir
from neurorobust.attacks import Linf, SignNoise, UniformNoise
from neurorobust.attacks.optimisers.arithmetic import ArithmeticAttack, provoked
from neurorobust.backends import get_backend, run
from neurorobust.chips import load_profile
from neurorobust.data import Stimulus
from neurorobust.engine.estimators import Rga, Stbp
from neurorobust.engine.integer_gradient import IntegerTarget, StrainedTarget
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput
from neurorobust.lower import lower
from tests.support.networks import stack

STEPS, WIDTH, DRAWS = 6, 40, 10
EPSILON = 16 / 255
GRADIENT = Stbp("arctan", 0.5)


def float_graph():
    draw = np.random.default_rng(4)
    return stack(
        (WIDTH,),
        ir.Header(dt_s=1e-3, steps=STEPS, levels=256),
        fc1=ir.Affine(weight=draw.normal(0.06, 0.3, (60, WIDTH))),
        lif1=ir.LIF(beta=0.8, threshold=1.0),
        fc2=ir.Affine(weight=draw.normal(0.03, 0.3, (30, 60))),
        lif2=ir.LIF(beta=0.7, alpha=0.4, threshold=1.0),
        fc3=ir.Affine(weight=draw.normal(0, 0.5, (4, 30))),
        li=ir.LI(beta=1.0),
    )


GRAPH = float_graph()
PROGRAM = lower(GRAPH, load_profile("loihi2").profile, input_coding="graded")
HEADER = GRAPH.header


def enlarged(exponent):
    """The readout 2^exponent times as large: the scale was chosen without regard to its states."""
    nodes = dict(PROGRAM.nodes)
    nodes["fc3"] = replace(nodes["fc3"], weight_exp=exponent)
    return PROGRAM.with_(nodes=nodes, score_unit=PROGRAM.score_unit / 2**exponent)


def images(count=24):
    return np.random.default_rng(8).integers(0, 256, (count, WIDTH)) / 255


def count(program, x, strain):
    target, shown = IntegerTarget(program), torch.tensor(x)[:, None]
    found = provoked(target, shown, STEPS, Network(GRAPH)).of(strain)
    assert found is not None
    return found


def crafted(program, strain, attack=None, seed=0):
    x, threat = images(), Linf.of(HEADER, EPSILON)
    attack = attack or ArithmeticAttack(GRADIENT, strain, reference=GRAPH)
    made = attack(IntegerTarget(program), x, np.zeros(len(x), np.int64), threat, seed=seed)
    assert threat.violations(torch.tensor(made.adversarial), torch.tensor(x)) == 0
    return made.adversarial


def best_of_noise(program, strain):
    """Most that any of so many random points provokes, half of them corners of the ball."""
    kinds = [UniformNoise(), SignNoise()]
    made = [crafted(program, strain, kinds[s % 2], seed=s) for s in range(DRAWS)]
    return np.max([count(program, x, strain) for x in made], axis=0)


class TestFound:
    def test_nothing_wraps_in_what_lowering_made_and_no_readout_is_clipped(self):
        """Lowering proves both; of firing neurons it lets a membrane far below rest be clipped."""
        target = IntegerTarget(PROGRAM)
        for strain in ("wrap", "saturation"):
            shown = torch.tensor(crafted(PROGRAM, strain))[:, None]
            counters = target.integers(shown, STEPS, ("overflows",)).overflows
            assert not any(c.wrapped.any() for c in counters.values())
            assert not counters["li"].saturated.any()
        assert best_of_noise(PROGRAM, "wrap").sum() == 0
        clipped = count(PROGRAM, crafted(PROGRAM, "saturation"), "saturation")
        assert clipped.sum() > 3 * best_of_noise(PROGRAM, "saturation").sum()

    @pytest.mark.parametrize(("strain", "exponent"), [("wrap", 7), ("saturation", 5)])
    def test_an_oversized_scale_overflows_more_than_under_noise(self, strain, exponent):
        program = enlarged(exponent)
        found = count(program, crafted(program, strain), strain)
        noise = best_of_noise(program, strain)
        assert found.sum() > 1.1 * noise.sum() > 0
        assert found.sum() > 1.2 * count(program, images(), strain).sum()
        assert (found >= noise).mean() > 0.9

    def test_more_spikes_turn_than_under_noise(self):
        found = count(PROGRAM, crafted(PROGRAM, "rounding"), "rounding")
        noise = best_of_noise(PROGRAM, "rounding")
        assert found.sum() > 1.1 * noise.sum() > 0

    def test_without_a_reference_it_comes_close_to_the_thresholds(self):
        attack = ArithmeticAttack(GRADIENT, "rounding")
        x = crafted(PROGRAM, "rounding", attack)
        clean, strained = images(), StrainedTarget(PROGRAM, "rounding")
        strain = [strained.run(torch.tensor(v)[:, None], STEPS).mean() for v in (x, clean)]
        assert strain[0] > 1.1 * strain[1]
        assert count(PROGRAM, x, "rounding").sum() > count(PROGRAM, clean, "rounding").sum()


class TestCounted:
    def test_overflows_are_those_of_the_reference(self):
        program = enlarged(7)
        x = crafted(program, "wrap")
        ran = get_backend("reference").compile(program, "quantised")
        result = ran.run(Stimulus(x[:, None], STEPS), ("overflows",))
        counters = result.overflows.values()
        assert count(program, x, "wrap").tolist() == sum(c.wrapped for c in counters).tolist()
        clipped = sum(c.saturated for c in counters)
        assert count(program, x, "saturation").tolist() == clipped.tolist()

    def test_turned_spikes_are_those_of_the_two_rungs(self):
        backend, stimulus = get_backend("reference"), Stimulus(images()[:, None], STEPS)
        ran = [
            run(model, stimulus, backend=backend, rung=rung, record=("spikes",)).spikes
            for model, rung in ((GRAPH, "float"), (PROGRAM, "quantised"))
        ]
        wanted = sum(
            (ran[0][name] != ran[1][name]).reshape(len(stimulus), -1).sum(1)
            for name in ("lif1", "lif2")
        )
        assert count(PROGRAM, images(), "rounding").tolist() == wanted.tolist()


class TestStrain:
    """One neuron, two steps: ``a = 2 w q``, ``u = 64 a`` and ``u = 64 a (1 + alpha)``."""

    WEIGHT, CODE, LIMIT = 200, 300, 1 << 23

    def program(self, **neuron):
        return ir.Program.chain(
            ir.Header(dt_s=1e-3, steps=2, bounds=(0.0, 500.0)),
            {
                "input": ir.FixedInput(shape=(1,), scale=1.0, high=500),
                "fc": ir.FixedDense(weight=[[self.WEIGHT]], weight_exp=1, message_bits=16),
                "end": ir.FixedLI(**neuron) if "vth" not in neuron else ir.FixedLIF(**neuron),
                "output": ir.Output(readout="last"),
            },
        )

    def strain(self, name, **neuron):
        at = torch.full((1, 1, 1), float(self.CODE), dtype=torch.float64, requires_grad=True)
        found = Stbp().scores(StrainedTarget(self.program(**neuron), name), at, 2)
        (slope,) = torch.autograd.grad(found.sum(), at)
        return found.item(), slope.item()

    def soft_count(self, *states):
        powers = [(s / self.LIMIT) ** 8 for s in states]
        value = sum(p / (1 + p) for p in powers)
        return value, sum(8 * p / (1 + p) ** 2 for p in powers) / self.CODE

    @pytest.mark.parametrize("neuron", [{"du": 2047}, {"du": 2047, "vth": 100_000}])
    def test_of_currents_before_they_wrap(self, neuron):
        u = 64 * 2 * self.WEIGHT * self.CODE
        assert 1.5 * u > self.LIMIT
        assert self.strain("wrap", **neuron) == pytest.approx(self.soft_count(u, 1.5 * u))

    def test_of_membranes_of_an_integrator(self):
        u = 64 * 2 * self.WEIGHT * self.CODE
        found = self.strain("saturation")
        assert found == pytest.approx(self.soft_count(u, 2 * u))

    def test_of_membranes_near_their_threshold(self):
        a, vth = 2 * self.WEIGHT * self.CODE, 125_000
        value, slope = self.strain("rounding", vth=vth, dv=4096)
        wanted = np.exp(-abs(a / vth - 1) / 0.2)
        assert value == pytest.approx(2 * wanted)
        assert slope == pytest.approx(2 * wanted * a / vth / 0.2 / self.CODE)


class TestRepeats:
    def test_a_sample_depends_on_its_seed_and_not_on_its_batch(self):
        program, threat = enlarged(7), Linf.of(HEADER, EPSILON)
        attack, target = ArithmeticAttack(GRADIENT, steps=4), IntegerTarget(program)
        x, y = images(6), np.zeros(6, np.int64)
        whole = attack(target, x, y, threat, seed=3)
        rows = np.array([4, 1])
        part = attack(target, x[rows], y[rows], threat, seed=3, sample=rows)
        assert np.array_equal(part.adversarial, whole.adversarial[rows])
        other = attack(target, x, y, threat, seed=4)
        assert not np.array_equal(other.adversarial, whole.adversarial)

    def test_no_budget_changes_nothing(self):
        threat = Linf.of(HEADER, 0.0)
        attack = ArithmeticAttack(GRADIENT, steps=2)
        made = attack(IntegerTarget(PROGRAM), images(3), np.zeros(3, np.int64), threat)
        assert np.array_equal(made.adversarial, images(3))


class TestRefusals:
    def attack(self, network, attack):
        threat = Linf.of(HEADER, EPSILON)
        return attack(network, images(2), np.zeros(2, np.int64), threat)

    def test_a_float_network(self):
        with pytest.raises(InvalidInput, match="on a Program only; lower"):
            self.attack(Network(GRAPH), ArithmeticAttack(GRADIENT))

    @pytest.mark.parametrize("collapse", [True, False])
    def test_gradients_without_membranes(self, collapse):
        with pytest.raises(InvalidInput, match=r"no membranes.*lif1"):
            self.attack(IntegerTarget(PROGRAM), ArithmeticAttack(Rga(collapse=collapse)))

    @pytest.mark.parametrize(
        "options", [{"strain": "overflow"}, {"steps": 0}, {"relative_step": 0.0}]
    )
    def test_parameters(self, options):
        with pytest.raises(InvalidInput, match="arithmetic"):
            ArithmeticAttack(GRADIENT, **options)
        with pytest.raises(InvalidInput, match="no strain is named 'heat'"):
            StrainedTarget(PROGRAM, "heat")

    def test_a_reference_that_has_nothing_in_common(self):
        other = stack(
            (WIDTH,),
            HEADER,
            fc=ir.Affine(weight=np.ones((4, WIDTH))),
            other=ir.LIF(beta=0.5, threshold=1.0),
        )
        attack = ArithmeticAttack(GRADIENT, "rounding", steps=1, reference=other)
        with pytest.raises(InvalidInput, match="fires in other, the Program in lif1, lif2"):
            self.attack(IntegerTarget(PROGRAM), attack)
