"""Programs on real Lava through the adapter, against the law: what the adapter has to arrange."""

import numpy as np
import pytest

from neurorobust import ir
from neurorobust.data import Stimulus
from neurorobust.formats.lava.wiring import wire
from neurorobust_lava.backend import LavaBackend, _Run
from neurorobust_lava.process import LavaWorker
from tests.support import small
from tests.support.program_law import run_law

pytestmark = pytest.mark.lava

HEADER = small.header(steps=12, bounds=(-1e9, 1e9))


@pytest.fixture(scope="module")
def worker(lava_python):
    with LavaWorker(python=lava_python) as started:
        yield started


@pytest.fixture
def rng():
    return np.random.default_rng(20260102)


def program(source, *wires, readout="count", **nodes):
    return small.program(source, HEADER, readout=readout, wires=" ".join(wires), **nodes)


def compare(worker, model, codes, *, silent=()):
    """Run both; every spike and score must be equal, and every population must fire."""
    assert LavaBackend().capabilities().gaps(model, "quantised") == []
    found = _Run(model, wire(model), worker).run(Stimulus(codes, codes.shape[1]), ("spikes",))
    expected = run_law(model, codes)
    for name in model.spiking:
        want, kind = expected[name], model.nodes[name].kind
        assert (found.spikes[name] == want).all(), name
        assert found.spikes[name].dtype == (np.int8 if kind == "FixedTernaryLIF" else np.uint8)
        assert name in silent or (0 < np.abs(want).mean() < 1), f"{name} proves nothing"
    arrived = expected[model.output].reshape(*codes.shape[:2], -1)
    readout = {"count": arrived.sum(axis=1), "max": arrived.max(axis=1), "last": arrived[:, -1]}
    assert (found.scores == readout[model.nodes[model.output].readout]).all()
    return expected


def spikes(rng, *shape, rate=0.3):
    return (rng.random(shape) < rate).astype(np.int64)


INPUT = ir.FixedInput(shape=(9,), scale=1.0, low=-(1 << 20), high=1 << 20)
LIF = ir.FixedLIF(vth=np.array(60), du=np.array(2500), dv=np.array(300))
PAYLOAD = {"message_bits": 24}


def matrix(rng, out, inputs, **fields):
    weight = rng.integers(-60, 120, (out, inputs))
    delay = fields.pop("delay", None)
    if delay is None:
        return ir.FixedDense(weight=weight, **fields)
    return ir.FixedDelayDense(
        weight=weight, delay=rng.integers(0, delay + 1, (out, inputs)), **fields
    )


def ternary(**fields):
    return ir.FixedTernaryLIF(
        vth_high=np.array(60), vth_low=np.array(-40), dv=np.array(200), **fields
    )


@pytest.mark.parametrize("storage", ["dense", "sparse"])
@pytest.mark.parametrize("exponent", [-3, 0, 2])
@pytest.mark.parametrize("delay", [None, 5])
def test_storage_and_delays(worker, rng, storage, exponent, delay):
    """Spikes into a matrix, and payloads that overflow 32 bits into another."""
    weights = {"weight_exp": exponent, "storage": storage, "delay": delay}
    vth = np.array(60 * 2.0**exponent, dtype=int)
    model = program(
        INPUT,
        fc1=matrix(rng, 8, 9, **weights, **PAYLOAD),
        lif1=ir.FixedLIF(vth=np.array(2000), du=np.array(3000)),
        fc2=matrix(rng, 6, 8, **weights),
        lif2=ir.FixedLIF(vth=vth, du=np.array(4000), dv=np.array(100)),
    )
    codes = rng.integers(-(1 << 20), 1 << 20, (3, 12, 9)) * spikes(rng, 3, 12, 9)
    compare(worker, model, codes)


def test_a_payload_beyond_32_bits_wraps_before_its_sum_is_shifted(worker):
    """2^23 · 255 · 3 > 2^32: shifted by 8 it tells which of Lava's processes computed it."""
    rows = np.array([[255, 255, 255], [255, -255, 100]])
    wide = ir.FixedInput(shape=(3,), scale=1.0, low=0, high=(1 << 23) - 1)
    delay = np.array([[0, 0, 2], [1, 1, 1]])
    fc = ir.FixedDelayDense(weight=rows, delay=delay, weight_exp=-8, message_bits=24)
    model = program(wide, readout="max", fc=fc, lif=ir.FixedLI(dv=np.array(4096)))
    codes = np.full((2, 12, 3), (1 << 23) - 1)
    codes[1] //= 3
    compare(worker, model, codes)


def test_delays_with_a_skip_that_waits_by_itself(worker, rng):
    """The skip needs a relay; delays of 62 steps and one hop more need one as well."""
    model = program(
        INPUT,
        "input-fc1-lif1-fc2-lif2 input-skip-lif2-output",
        fc1=matrix(rng, 8, 9, **PAYLOAD),
        lif1=ir.FixedLIF(vth=np.array(90), du=np.array(2500)),
        fc2=matrix(rng, 7, 8, delay=3, storage="sparse"),
        lif2=LIF,
        skip=ir.FixedDelayDense(
            weight=rng.integers(0, 120, (7, 9)), delay=rng.choice([0, 5, 62], (7, 9))
        ),
    )
    compare(worker, model, spikes(rng, 2, 70, 9, rate=0.15))


@pytest.mark.parametrize(
    ("interval", "offset"),
    [(0, 0), (1, 0), (12, 0), (4, 0), (6, 3), (5, 2), (7, 6), (12, 3), (40, 4), (99, 50)],
)
@pytest.mark.parametrize("loop", [False, True])
def test_periodic_resets(worker, rng, interval, offset, loop):
    """Of a binary, a ternary and an integrating population, two synapses deep, with biases."""
    resets = {"reset_interval": interval, "reset_offset": offset}
    shifted = {"reset_interval": interval, "reset_offset": (offset + 1) % max(interval, 1)}
    biases = {"bias_mant": rng.integers(-2, 4, 8), "bias_exp": np.array(7)}
    model = program(
        INPUT,
        readout="count" if loop else "last",
        fc1=matrix(rng, 8, 9, **PAYLOAD),
        lif1=ir.FixedLIF(vth=np.array(90), du=np.array(1000), **biases, **resets),
        fc2=matrix(rng, 8, 8),
        lif2=ternary(du=np.array(2000), **biases, **shifted),
        fc3=matrix(rng, 4, 8, **PAYLOAD),
        li=ir.FixedLI(dv=np.array(0), bias_mant=np.array(3), bias_exp=np.array(5), **resets),
    )
    if loop:
        model = small.changed(model, "lif1-back:1 back-lif1", back=matrix(rng, 8, 8))
    compare(worker, model, spikes(rng, 3, 12, 9))


@pytest.mark.parametrize("readout", ["count", "last"])
def test_resets_of_an_integrator_without_any_synapse(worker, rng, readout):
    """The last membrane of a sample is read before the next one begins."""
    li = ir.FixedLI(dv=np.array(200), reset_interval=5, reset_offset=1)
    model = program(INPUT, readout=readout, li=li)
    compare(worker, model, rng.integers(-9, 90, (3, 12, 9)))


def test_ternary_neurons_of_their_own_thresholds(worker, rng):
    """-1 is one spike for a synapse without messages and a payload of -1 for the other."""
    high = rng.integers(20, 90, 8)
    model = program(
        INPUT,
        "input-fc1-t1-fc2-t2 t1-fc3-t2-fc4-t3-output",
        fc1=matrix(rng, 8, 9, **PAYLOAD),
        t1=ir.FixedTernaryLIF(vth_high=high, vth_low=high - 80, dv=np.array(100)),
        fc2=matrix(rng, 7, 8),
        t2=ternary(),
        fc3=matrix(rng, 7, 8, **PAYLOAD),
        fc4=matrix(rng, 5, 7, **PAYLOAD),
        t3=ternary(du=np.array(1500)),
    )
    expected = compare(worker, model, spikes(rng, 4, 12, 9, rate=0.2))
    assert all(set(np.unique(expected[name])) == {-1, 0, 1} for name in ("t1", "t2", "t3"))


def test_a_ternary_population_keeps_32_bits_after_a_reset(worker, rng):
    """Currents that no single wrap brings back into 24 bits, before and after a reset."""
    wide = ir.FixedInput(shape=(6,), scale=1.0, low=1 - (1 << 23), high=(1 << 23) - 1)
    limit = (1 << 17) - 1
    fields = {"vth_high": limit, "vth_low": -limit, "du": -1, "dv": 1}
    fields |= {"bias_mant": 1 - (1 << 15), "bias_exp": 7}
    t = ir.FixedTernaryLIF(
        reset_interval=5, reset_offset=2, **{name: np.array(v) for name, v in fields.items()}
    )
    model = program(wide, t=t)
    compare(worker, model, rng.integers(1 - (1 << 23), 1 << 23, (5, 12, 6)), silent=("t",))


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("delay", [0, 2])
def test_input_straight_to_a_population(worker, rng, flat, delay):
    """Currents of an image, alone and in a sum with a synapse."""
    image = ir.FixedInput(shape=(2, 3, 4), scale=1.0, low=-200, high=200)
    nodes = {
        "lif1": ir.FixedLIF(vth=rng.integers(40, 200, (2, 3, 4)), dv=np.array(300)),
        "conv": ir.FixedConv2d(weight=rng.integers(-40, 90, (2, 2, 3, 3)), padding=(1, 1)),
        "lif2": ir.FixedLIF(vth=rng.integers(60, 200, (2, 3, 4)), du=np.array(3000)),
        "fc": matrix(rng, 5, 24),
        "flat": ir.Flatten(),
        "lif3": ir.FixedLIF(vth=np.array(2000)),
    }
    wires = f"input-lif1:{delay} lif1-conv-lif2 input-lif2-flat-fc-lif3-output"
    if flat:
        nodes |= {"flat_in": ir.Flatten(), "lif1": ir.FixedLIF(vth=rng.integers(40, 200, 24))}
        nodes["fc1"] = matrix(rng, 24, 24)
        nodes["lif2"] = ir.FixedLIF(vth=rng.integers(60, 200, 24), du=np.array(3000))
        del nodes["conv"], nodes["flat"]
        wires = f"input-flat_in flat_in-lif1:{delay} lif1-fc1-lif2 flat_in-lif2-fc-lif3-output"
    compare(worker, program(image, wires, **nodes), rng.integers(-50, 200, (3, 12, 2, 3, 4)))


def test_a_population_straight_into_another(worker, rng):
    """Without a synapse there is no step between them; a loop through a delay has one."""
    model = program(
        ir.FixedInput(shape=(6,), scale=1.0, low=0, high=500),
        "input-lif1-lif2 lif2-lif2:1 lif2-output",
        lif1=ir.FixedLIF(vth=np.array(200), dv=np.array(50)),
        lif2=ir.FixedLIF(vth=np.array(2), dv=np.array(500)),
    )
    compare(worker, model, rng.integers(0, 200, (3, 12, 6)))


def test_an_integrator_that_feeds_a_synapse_is_refused(rng):
    """On Lava it sends no membrane."""
    first, second = matrix(rng, 8, 9), matrix(rng, 4, 8, **PAYLOAD)
    model = program(INPUT, fc1=first, li=ir.FixedLI(), fc2=second, lif=LIF)
    (gap,) = LavaBackend().capabilities().gaps(model, "quantised")
    assert str(gap).startswith("fc2: on Lava a synapse lies between populations that spike")
