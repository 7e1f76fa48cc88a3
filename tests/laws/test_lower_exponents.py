"""Exponents of dense synapses: resolution that another bound does not take."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorobust.backends import get_backend
from neurorobust.chips import load_profile
from neurorobust.data import Stimulus
from neurorobust.errors import LowerError
from neurorobust.ir import LI, LIF, Affine, Conv2d, Flatten, Header, Output
from neurorobust.lower import lower
from tests.support.lowering_oracle import ROOM, dense, run
from tests.support.networks import stack, wired

LOIHI2 = load_profile("loihi2").profile
fast = settings(derandomize=True, max_examples=25, deadline=None)


def wide(rng):
    return stack(
        (784,),
        Header(dt_s=1e-3, steps=10, levels=256),
        readout="count",
        w=Affine(weight=rng.normal(0, 0.05, (128, 784)), bias=rng.normal(0, 0.1, 128)),
        l=LIF(beta=0.9, threshold=1.0),
        w2=Affine(weight=rng.normal(0, 0.2, (10, 128))),
        lo=LI(beta=1.0),
    )


def test_a_wide_graded_layer_keeps_its_bits():
    rng = np.random.default_rng(3)
    model = wide(rng)
    samples = np.where(rng.random((32, 784)) < 0.2, rng.integers(0, 256, (32, 784)) / 255, 0)
    program = lower(model, LOIHI2, calibration=samples, input_coding="graded")
    first, second = program.report
    assert first["limited_by"] == "synaptic current"
    assert (first["weight_exponent"], second["weight_exponent"]) == ("-5", "0")
    assert first["weight_bits_used"] == 8
    assert first["weight_snr_db"] > 35
    assert first["spike_agreement"] > 0.99
    assert second["decision_agreement"] > 0.96
    assert first["wrapped"] == second["wrapped"] == 0
    node = program.nodes["w"]
    kept = node.effective_weight * 2.0**node.weight_exp / first["scale"]
    exact = model.nodes["w"].weight / 255
    assert np.abs(kept - exact).max() <= 2.0**node.weight_exp / first["scale"] * (1 + 1e-9)


@pytest.mark.parametrize("shift", [1, 3, 6])
def test_a_weak_synapse_beside_a_strong_one(shift):
    """Both on whole units, the strong one shifted: nothing is floored, nothing is lost."""
    rng = np.random.default_rng(shift)
    fine = 2 * rng.integers(-127, 127, (5, 6))
    coarse = 2 * rng.integers(-127, 127, (5, 6))
    fine[0, 0] = coarse[0, 0] = 254
    nodes = {
        "input": (6,),
        "a": Affine(weight=fine / 254),
        "b": Affine(weight=coarse / 254 * 2.0**shift),
        "n": LI(beta=1.0),
        "output": Output(readout="last"),
    }
    header = Header(dt_s=1e-3, steps=3, coding="events", levels=2)
    model = wired(["input a n output", "input b n"], header, **nodes)
    program = lower(model, LOIHI2)
    assert program.report[0]["weight_exponent"] == f"0, {shift}"
    assert program.report[0]["weight_snr_db"] is None or program.report[0]["weight_snr_db"] > 200
    values = rng.integers(0, 2, (9, 3, 6)).astype(float)
    assert np.allclose(run(program, values).scores, run(model, values).scores, atol=1e-9)


def test_a_floored_sum_is_what_runs():
    """The membrane is that of the law written out, a unit lower where the sum is below 0."""
    rng = np.random.default_rng(4)
    weight = rng.normal(-0.1, 1, (4, 300))
    model = dense(weight, neuron=LI(beta=1.0), steps=2)
    program = lower(model, LOIHI2)
    node = program.nodes["fc"]
    assert node.weight_exp < 0
    values = rng.integers(0, 256, (3, 1, 300))
    total = (values[:, 0] @ node.effective_weight.T.astype(int)) >> -node.weight_exp
    got = run(program, values / 255).membrane["n"]
    assert np.array_equal(got[:, 0], 64 * total)


@given(st.integers(0, 10**6))
@fast
def test_no_exponent_overflows(seed):
    """Worst inputs against rounded, floored weights: two synapses, a current, a readout."""
    rng = np.random.default_rng(seed)
    n, m, steps = int(rng.integers(2, 200)), int(rng.integers(2, 60)), 6
    nodes = {
        "input": (n,),
        "a": Affine(weight=rng.normal(rng.uniform(-0.5, 0.5), 1, (m, n))),
        "l": LIF(beta=0.7, alpha=0.6, threshold=0.5, bias=rng.uniform(0, 3, m)),
        "b": Affine(weight=rng.normal(size=(3, m))),
        "skip": Affine(weight=rng.normal(size=(3, n)) * 10.0 ** rng.uniform(-3, 2)),
        "li": LI(beta=rng.uniform(0.5, 1)),
        "output": Output(readout="last"),
    }
    header = Header(dt_s=1e-3, steps=steps, levels=256)
    model = wired(["input a l b li output", "input skip li"], header, **nodes)
    bits = int(rng.integers(2, 9))
    scaling = str(rng.choice(["max_abs", "mse"]))
    try:
        program = lower(model, LOIHI2, weight_bits=bits, scaling=scaling)
    except LowerError as error:  # a skip too weak for the least exponent
        assert "skip: all its" in str(error)  # noqa: PT017
        return
    sign = np.concatenate([nodes["a"].weight[:3], nodes["skip"].weight])
    worst = np.concatenate([sign > 0, sign < 0, np.ones((1, n))]).astype(float)
    executable = get_backend("torch").compile(program, "quantised")
    result = executable.run(Stimulus(worst[:, None], steps), ("overflows", "membrane"))
    for name, count in result.overflows.items():
        assert not count.wrapped.any(), name
    assert not result.overflows["li"].saturated.any()
    assert np.abs(result.membrane["li"]).max() < ROOM + 1
    for name in ("a", "b", "skip"):
        assert np.array_equal(program.nodes[name].weight, program.nodes[name].effective_weight)


def drowned(bias):
    rng = np.random.default_rng(0)
    return stack(
        (1, 6, 6),
        Header(dt_s=1e-3, steps=6, levels=256),
        conv=Conv2d(weight=rng.normal(size=(4, 1, 3, 3))),
        lif=LIF(beta=0.7, threshold=1.0, bias=np.array([bias, 0, 0, 0]).reshape(4, 1, 1)),
        flat=Flatten(),
        fc=Affine(weight=rng.normal(size=(3, 64))),
        li=LI(beta=0.9),
    )


def test_a_convolution_that_another_bound_drowns_is_refused():
    text = r"conv: its weights stand .* dB above their rounding, at least 6 are needed .* bias"
    with pytest.raises(LowerError, match=text):
        lower(drowned(40.0), LOIHI2)
    lower(drowned(0.5), LOIHI2)
    lower(drowned(40.0), LOIHI2, input_coding="host")


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_few_bits_are_not_refused(bits):
    program = lower(drowned(0.0), LOIHI2, weight_bits=bits)
    assert 1 < program.report[0]["weight_bits_used"] <= bits


def test_a_population_that_another_bound_silences_is_refused():
    """One bias of 90000 leaves those of 4 nothing: three of four channels are dead."""
    weight = np.array([200.0, 0.1, 0.1, 0.1]).reshape(4, 1, 1, 1)
    model = stack(
        (1, 2, 2),
        Header(dt_s=1e-3, steps=6, coding="events", levels=2),
        conv=Conv2d(weight=weight),
        lif=LIF(beta=0.9, threshold=10.0, bias=np.array([9e4, 4, 4, 4]).reshape(4, 1, 1)),
        flat=Flatten(),
    )
    with pytest.raises(LowerError, match=r"no input can fire 12 of 16 neurons .* limited by bias"):
        lower(model, LOIHI2)


@pytest.mark.parametrize(
    "neuron", [LI(beta=0.9), LIF(beta=0.9, threshold=1.0), LIF(beta=0.5, alpha=0.9, threshold=1.0)]
)
def test_a_decay_that_comes_to_nothing_is_refused(neuron):
    name = "alpha" if getattr(neuron, "alpha", None) is not None else "beta"
    model = dense([[1.0, 0.5]], neuron=neuron)
    with pytest.raises(LowerError, match=rf"n: {name} 0.9 becomes 1.*take more decay bits"):
        lower(model, LOIHI2, decay_bits=1)
    lower(model, LOIHI2, decay_bits=4)
    lower(dense([[1.0, 0.5]], neuron=LI(beta=1.0)), LOIHI2, decay_bits=1)


@pytest.mark.parametrize(
    ("weight", "bits"),
    [([[-1.0, 0.25]], 8), ([[1.0, -0.25]], 8), ([[1.0, 0.5]], 8), ([[-1.0, -0.5]], 8)],
)
def test_bits_in_use_never_exceed_those_there_are(weight, bits):
    program = lower(
        dense(weight, neuron=LI(beta=0.5), header={"levels": 2}),
        LOIHI2,
        scaling="percentile",
        percentile=50,
    )
    assert program.report[0]["weight_bits_used"] == bits


def test_no_samples_give_no_counts():
    """An empty batch is answered alike by both backends, overflows included."""
    program = lower(dense([[1.0, 0.5]]), LOIHI2)
    nothing = Stimulus(np.zeros((0, 1, 2)), 4)
    records = ("spikes", "membrane", "overflows")
    torch, reference = (
        get_backend(name).compile(program, "quantised").run(nothing, records)
        for name in ("torch", "reference")
    )
    assert torch.scores.shape == reference.scores.shape == (0, 1)
    assert reference.spikes["n"].shape == torch.spikes["n"].shape
    assert set(reference.overflows) == set(torch.overflows)
    for name, count in reference.overflows.items():
        assert count.wrapped.shape == torch.overflows[name].wrapped.shape == (0,)
        assert count.saturated.shape == (0,)
