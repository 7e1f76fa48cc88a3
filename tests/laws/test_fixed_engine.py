"""The integer engine: compiled loops and tensors against the reference, whatever the route."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from neurorobust import ir
from neurorobust.backends import get_backend, run
from neurorobust.data import Stimulus
from neurorobust.engine.integer import FixedNetwork, network
from neurorobust.engine.integer.bounds import magnitudes
from neurorobust.engine.integer.products import ExactProduct, Synapse
from neurorobust.engine.integer.spans import SpanTable
from neurorobust.engine.integer.trace import Counters, Watched
from neurorobust.errors import InvalidInput
from neurorobust.testing.networks import program as chain
from tests.support.strategies import programs

reference = get_backend("reference")
EVERYTHING = ("spikes", "membrane", "overflows")
CPU = torch.device("cpu")
search = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def payloads(shape, high):
    return ir.FixedInput(shape=shape, scale=1.0, low=-high, high=high)


def assert_exact(program, values, steps, *networks, record=EVERYTHING):
    """The scores, and all that is recorded, of the reference; returns them."""
    wanted = run(program, Stimulus(values, steps), backend=reference, record=EVERYTHING)
    for engine in networks or (FixedNetwork(program), FixedNetwork(program, compiled=False)):
        trace = engine.run(values, steps, record)
        assert np.array_equal(trace.scores.numpy(), wanted.scores)
        for kind in EVERYTHING:
            found, right = getattr(trace, kind), getattr(wanted, kind)
            assert found.keys() == (right.keys() if kind in record else set())
            for name, value in found.items():
                fields = ("wrapped", "saturated") if kind == "overflows" else ()
                for field in fields:
                    assert np.array_equal(getattr(value, field), getattr(right[name], field)), name
                assert fields or np.array_equal(value, right[name]), name
        for name, spikes in trace.spikes.items():
            assert spikes.numpy().dtype == wanted.spikes[name].dtype
    return wanted


@given(programs())
@search
def test_loops_and_tensors_give_every_number_of_the_reference(case):
    program, stimulus = case
    assert_exact(program, stimulus.values, stimulus.steps)


@given(programs())
@settings(search, max_examples=10)
@pytest.mark.parametrize("record", [(), ("spikes",), ("membrane",), ("overflows",)])
def test_what_is_recorded_changes_nothing(record, case):
    program, stimulus = case
    assert_exact(program, stimulus.values, stimulus.steps, record=record)


@pytest.mark.parametrize("threads", [1, 3])
def test_chunks_and_threads_change_nothing(monkeypatch, threads):
    rng = np.random.default_rng(0)
    program = chain(
        9,
        input=payloads((2, 5, 4), 3),
        conv=ir.FixedConv2d(weight=rng.integers(-90, 90, (3, 2, 3, 3)), padding=(1, 1)),
        lif=ir.FixedTernaryLIF(vth_high=np.array(100), vth_low=np.array(-150), dv=np.array(300)),
        flat=ir.Flatten(),
        fc=ir.FixedDelayDense(
            weight=rng.integers(-99, 99, (4, 60)), delay=rng.integers(0, 5, (4, 60)), weight_exp=-2
        ),
        out=ir.FixedLIF(vth=np.array(40), du=np.array(200), reset_interval=4),
        output=ir.Output(),
    )
    values = rng.integers(-3, 4, (11, 9, 2, 5, 4)).astype(np.float64)
    whole = assert_exact(program, values, 9)
    assert 0.05 < abs(whole.spikes["lif"]).mean() < 0.95
    monkeypatch.setitem(network.WORKING_SET, "cpu", 1)  # one sample at a time
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert_exact(program, values, 9)
    finally:
        torch.set_num_threads(before)
    assert FixedNetwork(program).run(values[:0], 9, EVERYTHING).scores.shape == (0, 4)


@given(programs(avoid=("recurrence",)))
@settings(search, max_examples=25)
def test_step_by_step_equals_node_by_node(case):
    program, stimulus = case
    assert not program.recurrent
    with pytest.MonkeyPatch.context() as patch:
        engines = FixedNetwork(program), FixedNetwork(program, compiled=False)
        reference_first = assert_exact(program, stimulus.values, stimulus.steps, *engines)
        patch.setattr(ir.Program, "recurrent", True)
        again = assert_exact(program, stimulus.values, stimulus.steps, *engines)
    assert np.array_equal(reference_first.scores, again.scores)


@pytest.mark.parametrize("static", [False, True])
def test_populations_larger_than_a_block_and_rows_of_odd_length(static):
    """1,501 inputs and 2,051 neurons, parameters of their own for each."""
    rng = np.random.default_rng(1)
    n = 2 * 1024 + 3
    program = chain(
        12,
        input=payloads((1501,), 2),
        fc=ir.FixedDense(weight=rng.integers(-30, 34, (n, 1501)), message_bits=8),
        lif=ir.FixedLIF(
            vth=rng.integers(0, 900, n),
            du=rng.integers(-1, 4096, n),
            dv=rng.integers(0, 4097, n),
            bias_mant=rng.integers(-50, 50, n),
            bias_exp=rng.integers(-8, 8, n),
        ),
        fc2=ir.FixedDense(weight=rng.integers(-128, 128, (3, n)), storage="sparse"),
        li=ir.FixedLI(dv=np.array(100)),
        output=ir.Output(readout="max"),
    )
    values = rng.integers(-2, 3, (3, 1 if static else 12, 1501)) * (rng.random(1501) < 0.3)
    wanted = assert_exact(program, values.astype(np.float64), 12)
    assert 0.05 < wanted.spikes["lif"].mean() < 0.95


GEOMETRIES = [
    ((2, 9, 7), 4, (3, 2), (1, 1), (1, 1), (1, 1), 1),
    ((4, 9, 7), 4, (2, 2), (2, 2), (0, 0), (1, 1), 4),  # a pooling layer: one output per input
    ((4, 9, 7), 4, (2, 3), (2, 1), (1, 0), (1, 1), 4),
    ((4, 9, 7), 8, (2, 2), (3, 3), (0, 1), (1, 1), 4),  # inputs that no window sees
    ((4, 9, 7), 6, (3, 3), (1, 2), (2, 0), (2, 1), 2),
    ((3, 9, 7), 10, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((1, 9, 7), 9, (2, 2), (1, 1), (0, 3), (3, 2), 1),
]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("size", [1 << 7, 1 << 22])
def test_convolutions_of_extreme_weights(geometry, size):
    """Every weight at an end of its range: a transform that rounds would show."""
    shape, kernels, kernel, stride, padding, dilation, groups = geometry
    rng = np.random.default_rng(2)
    weight = rng.choice([-size, size - 1, 1], (kernels, shape[0] // groups, *kernel))
    conv = ir.FixedConv2d(
        weight=weight, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    program = chain(
        4,
        input=payloads(shape, 127),
        conv=conv,
        li=ir.FixedLI(dv=np.array(4096)),
        flat=ir.Flatten(),
        output=ir.Output(readout="last"),
    )
    values = rng.choice([-127.0, 0.0, 1.0, 127.0], (3, 4, *shape))
    wanted = assert_exact(program, values, 4)
    if size > 1 << 20:
        assert wanted.overflows["conv"].wrapped.all()
    straight = np.round(torch.nn.functional.conv2d(
        torch.tensor(values).flatten(0, 1).double(),
        torch.tensor(weight).double(),
        None, stride, padding, dilation, groups,
    ).numpy()).astype(np.int64)  # fmt: skip
    wrapped = (straight + (1 << 23)) % (1 << 24) - (1 << 23)
    engine = FixedNetwork(program)
    sums = torch.empty(3, 4, wrapped[0].size, dtype=torch.int32)
    codes = torch.empty(3, 4, int(np.prod(shape)), dtype=engine.encoder.dtype)
    engine.encoder(values, codes)
    engine.units["conv"].advance(None, codes, sums, range(4), Watched())
    natural = engine.natural(sums, program.shapes["conv"])
    assert np.array_equal(natural.flatten(0, 1).numpy(), wrapped)


@pytest.mark.parametrize("density", [0.0, 0.004, 0.5])
def test_sparse_matrices(density):
    """Followed entry by entry where few are left; a matrix of zeros too."""
    rng = np.random.default_rng(3)
    weight = rng.integers(-256, 256, (50, 70)) * (rng.random((50, 70)) < density)
    values = rng.integers(-9, 10, (4, 6, 70)).astype(np.float64)
    for fields in ({}, {"message_bits": 8, "weight_exp": -3}, {"weight_exp": 5}):
        program = chain(
            6,
            input=payloads((70,), 9),
            fc=ir.FixedDense(weight=weight, storage="sparse", **fields),
            li=ir.FixedLI(dv=np.array(500)),
            output=ir.Output(readout="last"),
        )
        assert_exact(program, values, 6)


def test_spans_of_a_matrix_are_its_runs():
    table = SpanTable.of_matrix(np.array([[5, 0], [6, 0], [0, 0], [7, 8]]))
    assert table.weight.tolist() == [5, 6, 7, 8]
    assert table.column_ends.tolist() == [0, 2, 3]
    assert table.columns.tolist() == [[0, 0, 2], [3, 2, 1], [3, 3, 1]]
    assert table.direct() is None


def test_a_pooling_layer_reaches_one_output_per_input():
    pool = ir.FixedConv2d(weight=np.full((2, 1, 2, 2), 3), stride=(2, 2), groups=2)
    weight, target = SpanTable.of_convolution(pool, (2, 4, 5), (2, 2, 2)).direct()
    assert weight.reshape(4, 5, 2)[:, :4].tolist() == np.full((4, 4, 2), 3).tolist()
    assert not weight.reshape(4, 5, 2)[:, 4].any()
    assert target.reshape(4, 5, 2)[:, 2, 1].tolist() == [3, 3, 7, 7]


class TestExactProduct:
    """Which products are exact, at the last integer that is."""

    def product(self, weight, bound):
        return ExactProduct(np.array([weight]), torch.nn.functional.linear, bound, CPU)

    def test_single_precision_up_to_24_bits(self):
        weight = [(1 << 12) - 1, 1]
        x = torch.tensor([[1 << 12, (1 << 12) - 1]])
        exact = self.product(weight, (1 << 24) - 1)
        assert exact(x, counted=False).item() == (1 << 24) - 1

    @pytest.mark.parametrize("precision", ["medium", "high", "highest"])
    def test_a_lower_precision_of_products_is_not_used(self, precision):
        rng = np.random.default_rng(4)
        weight = rng.integers(-255, 256, (64, 128))
        x = torch.tensor(rng.integers(-400, 401, (64, 128)))
        exact = ExactProduct(weight, torch.nn.functional.linear, 400 * 128 * 255, CPU)
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision(precision)
        try:
            found = exact(x, counted=True)
        finally:
            torch.set_float32_matmul_precision(before)
        assert np.array_equal(found, x.numpy() @ weight.T)

    def test_slices_beyond_53_bits(self):
        weight = [(1 << 31) - 1, -(1 << 31)]
        x = torch.tensor([[(1 << 23) - 1, (1 << 23) - 3]])
        want = weight[0] * int(x[0, 0]) + weight[1] * int(x[0, 1])
        exact = self.product(weight, 1 << 55)
        assert exact(x, counted=False).item() == want

    def test_what_is_not_exact_is_an_error(self):
        exact = self.product([(1 << 31) - 1] * 3, 1 << 62)
        x = torch.full((1, 3), (1 << 31) - 1)
        assert exact(x >> 8, counted=False).item() == 3 * ((1 << 31) - 1) * ((1 << 23) - 1)
        with pytest.raises(InvalidInput, match="exceeds what is computed exactly"):
            exact(x >> 8, counted=True)  # not all bits are there to be counted
        with pytest.raises(InvalidInput, match="a sum over 300 inputs of up to"):
            self.product([(1 << 31) - 1] * 300, 1 << 62)(
                torch.full((1, 300), (1 << 37) - 1), counted=False
            )


def test_bounds_hold_and_are_met():
    program = chain(
        1,
        input=payloads((2,), 9),
        fc=ir.FixedDense(weight=np.array([[4, -6]]), message_bits=8, weight_exp=2),
        fc2=ir.FixedDense(weight=np.array([[2]]), message_bits=24, weight_exp=-3),
        li=ir.FixedLI(),
        output=ir.Output(),
    )
    arriving = magnitudes(program)
    assert {n: arriving[n] for n in ("fc", "fc2", "output")} == {
        "fc": 9,
        "fc2": 360,
        "output": 1 << 23,
    }
    assert arriving["li"] == 360 * 2 // 8 + 1
    assert Synapse(program.nodes["fc"], (2,), 9, CPU).fits
    assert not Synapse(program.nodes["fc"], (2,), 1 << 27, CPU).fits


def test_counters_of_what_cannot_overflow_stay_zero():
    node = ir.FixedDense(weight=np.array([[2, 4]]))
    counters = Counters.zeros(1, CPU)
    out = torch.empty(1, 1, 1, dtype=torch.int32)
    x = torch.ones(1, 1, 2, dtype=torch.int8)
    Synapse(node, (2,), 1, CPU).advance(None, x, out, range(1), Watched(counters))
    assert (out.item(), counters.wrapped.tolist()) == (6, [0])


@pytest.mark.parametrize("name", ["torch", "reference"])
@pytest.mark.parametrize("compiled", [True, False])
def test_what_is_no_number_is_refused(name, compiled):
    program = chain(
        2, input=payloads((2,), 9), lif=ir.FixedLIF(vth=np.array(1)), output=ir.Output()
    )
    values = np.zeros((1, 2, 2))
    values[0, 1, 0] = np.nan
    with pytest.raises(InvalidInput, match="no numbers"):
        run(program, Stimulus(values, 2), backend=name)
    with pytest.raises(InvalidInput, match="no numbers"):
        FixedNetwork(program, compiled=compiled).run(values, 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, bool, ">f8"])
def test_stimuli_of_any_type_and_order(dtype):
    rng = np.random.default_rng(5)
    program = chain(
        4,
        input=ir.FixedInput(shape=(2, 3, 3), scale=1.0, high=255),
        flat=ir.Flatten(),
        fc=ir.FixedDense(weight=rng.integers(-99, 99, (4, 18)), message_bits=8),
        lif=ir.FixedLIF(vth=np.array(100)),
        output=ir.Output(),
    )
    values = rng.integers(0, 2, (5, 4, 2, 3, 3)).astype(dtype)
    frozen = values.copy()
    frozen.flags.writeable = False
    for given_values in (values, values[::-1], values.transpose(0, 1, 2, 4, 3), frozen):
        assert_exact(program, given_values, 4)


@pytest.mark.gpu
def test_on_a_gpu():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    from neurorobust.testing.fuzz import fuzz

    tally = fuzz(get_backend("torch"), 100)
    assert tally.differing == 0, tally.first


def test_importing_compiles_nothing():
    code = (
        "from neurorobust.engine.integer import kernels as k\n"
        "raise SystemExit(len(k.dense.signatures) + len(k.neurons.signatures))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
