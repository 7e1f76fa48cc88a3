"""Published numbers that the profiles reproduce: every reference case of every profile."""

import numpy as np
import pytest

from neurorobust.backends import get_backend
from neurorobust.chips import load_profile, profile_names
from neurorobust.chips.arithmetic import LoihiArithmetic
from neurorobust.chips.formula import parse
from neurorobust.data import Stimulus
from neurorobust.fit.costs import evaluate
from neurorobust.ir import FixedDense, FixedInput, FixedLIF, Header, Output, Program
from neurorobust.lower import Limits
from tests.support.helpers import shared_data
from tests.support.networks import edges_of

CHIPS = ("akida", "brainscales2", "loihi1", "loihi2", "speck", "spinnaker2", "truenorth", "xylo")
CASES = [
    pytest.param(load_profile(name).profile, case, id=f"{name}: {case.name}")
    for name in CHIPS
    for case in load_profile(name).profile.reference_cases
]


def of_constraint(profile, kind, name):
    found = profile.placement.walls if kind == "wall" else profile.rules
    (one,) = [item for item in found if item.constraint == name]
    return parse(one.use)


def neuron(given, spikes):
    """The published neuron behind one synapse, with the latency of that synapse."""
    dynamics = {name: int(given[name]) for name in ("du", "dv", "vth")}
    program = Program(
        header=Header(dt_s=1e-4, steps=len(spikes), coding="events"),
        nodes={
            "input": FixedInput(shape=(1,), scale=1.0, high=1),
            "fc": FixedDense(weight=np.array([[int(given["weight"])]])),
            "lif": FixedLIF(**dynamics),
            "output": Output(),
        },
        edges=edges_of([f"input fc>{int(given['delay'])} lif output"]),
    )
    run = get_backend("reference").compile(program, "quantised").run
    return run(Stimulus(spikes.reshape(1, -1, 1), len(spikes)), record=("spikes", "membrane"))


@pytest.mark.parametrize(("profile", "case"), CASES)
def test_reference_case(profile, case):
    match case.kind:
        case "wall" | "rule":
            found = of_constraint(profile, case.kind, case.of)(case.given)
        case "power":
            found = profile.energy.static.number + evaluate(profile.energy.dynamic, case.given)
        case "spikes":
            assert isinstance(profile.arithmetic, LoihiArithmetic)
            Limits.of(profile.arithmetic)  # the law that runs here is the profile's
            recorded = np.loadtxt(shared_data(*case.data), delimiter=",")
            result = neuron(case.given, recorded[:, 0])
            spikes = result.spikes["lif"][0, :, 0]
            assert np.array_equal(spikes, recorded[:, 2])
            register = np.where(spikes, case.given["register"], result.membrane["lif"][0, :, 0])
            assert np.array_equal(register, recorded[:, 1])
            found = np.flatnonzero(spikes).tolist()
    if case.tolerance:
        assert found == pytest.approx(case.expect, rel=case.tolerance)
    else:
        assert found == case.expect


def test_every_chip_has_a_case_and_is_shipped():
    assert set(CHIPS) <= set(profile_names())
    assert {param.values[0].id for param in CASES} == set(CHIPS)


def test_an_operating_point_average_is_no_marginal_cost():
    """26 pJ per event, the headline, misses TrueNorth's own power curve at both of its ends."""
    chip = load_profile("truenorth").profile
    headline = chip.energy.average_only["event_headline"].number
    rates = {11.58: 0.068, 95.93: 0.094}
    neurons, synapses = 2**20, 128
    errors = [headline * rate * neurons * synapses / power - 1 for rate, power in rates.items()]
    assert errors == [pytest.approx(-0.41, abs=0.01), pytest.approx(2.56, abs=0.01)]
    marginal = [
        chip.energy.static.number
        + evaluate(chip.energy.dynamic, {"synops": rate * neurons * synapses})
        for rate in rates
    ]
    assert marginal == pytest.approx(list(rates.values()), rel=0.005)


def test_synapse_bits_follow_blocks_of_64():
    """The formula against the rule in words: per 64 synapses n (w + d + i) + 10 bits, in words."""
    formula = of_constraint(load_profile("loihi1").profile, "wall", "synapse bits")
    rng = np.random.default_rng(0)
    for n in (1, 63, 64, 65, 127, 128, *rng.integers(1, 5000, 40)):
        for delay, width in ((0, 0), (1, 1), (3, 2), (62, 6)):
            for shared, neurons in ((0, 1024), (1, 30), (1, 1024)):
                index = max(6, int(np.ceil(np.log2(neurons)))) if shared else 0
                bits = 0
                for start in range(0, int(n), 64):
                    held = min(64, int(n) - start) * (8 + width + index) + 10
                    bits += -(-held // 64) * 64
                given = {"list_synapses": int(n), "weight_bits": 8, "delay": delay}
                assert formula(given | {"shared": shared, "neurons": neurons}) == bits
