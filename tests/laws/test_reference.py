"""The golden model against recordings made elsewhere, closed forms, and independent code."""

import sys

import numpy as np
import pytest
import torch

from neurorobust import backends, ir
from neurorobust.backends import get_backend
from neurorobust.backends.runs import read_out
from neurorobust.data import Stimulus
from neurorobust.errors import InvalidInput, NeurorobustError, Unsupported
from neurorobust.testing.networks import fixed_lif, fixed_neurons, impulse, lif, neurons, stimulus
from neurorobust_reference.integer_law import trunc0, w32, wrap
from tests.support.helpers import shared_data
from tests.support.networks import stack

reference = get_backend("reference")
EVERYTHING = ("spikes", "membrane")


def run(model, stimulus, **options):
    return backends.run(model, stimulus, backend=reference, **options, record=EVERYTHING)


@pytest.mark.parametrize(
    ("recording", "beta", "spike_times"),
    [
        ("lif_norse.csv", 1 - 1e-4 / 0.0025, [460, 510, 710, 760]),
        ("lif_snntorch.csv", 1 - 1e-4 / 0.0025, [460, 510, 710, 760]),
        ("lif_rockpool.csv", np.exp(-1e-4 / 0.0025), [450, 500, 710, 760]),
    ],
)
def test_published_float_recording(recording, beta, spike_times):
    """The same neuron in units of its own: input gain dt / tau, threshold 0.1."""
    spikes_in, _, spikes_out = np.loadtxt(shared_data("nir_01_lif", recording), delimiter=",").T
    neuron = lif(beta=beta, gain_in=1e-4 / 0.0025, threshold=0.1)
    result = run(neurons(neuron, 1000), stimulus(spikes_in > 0))
    assert np.flatnonzero(result.spikes["neuron"]).tolist() == spike_times
    assert np.flatnonzero(spikes_out).tolist() == spike_times


class TestIntegers:
    """The three roundings, on numbers worked out by hand."""

    def test_wrap(self):
        x = np.array([2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**32, 3 * 2**31 + 5])
        assert w32(x).tolist() == [2**31 - 1, -(2**31), -(2**31), 2**31 - 1, 0, -(2**31) + 5]
        assert w32(x).tolist() == x.astype(np.int32).tolist()
        assert wrap(np.array([2**23, -(2**23) - 1, 5]), 24).tolist() == [-(2**23), 2**23 - 1, 5]

    def test_trunc0(self):
        x = np.array([4095, 4096, -4095, -4096, -4097, 0, 2**43, -(2**43)])
        assert trunc0(x).tolist() == [0, 1, 0, -1, -1, 0, 2**31, -(2**31)]


class TestReadout:
    arrived = np.array([[[0, 2], [1, 0], [1, 0]], [[0, 0], [0, -1], [0, -3]]])

    @pytest.mark.parametrize(
        ("readout", "scores"),
        [
            ("count", [[2, 2], [0, -4]]),
            ("mean", [[2 / 3, 2 / 3], [0, -4 / 3]]),
            ("last", [[1, 0], [0, -3]]),
            ("max", [[1, 2], [0, 0]]),
            ("first", [[2, 3], [0, 2]]),
        ],
    )
    def test_by_hand(self, readout, scores):
        assert np.allclose(read_out(readout, self.arrived), scores)


class TestMaps:
    """The maps without memory against torch, an implementation by other people."""

    rng = np.random.default_rng(3)

    def through(self, node, x):
        """What a node makes of one step, read through an integrator that keeps nothing."""
        shape = x.shape[1:]
        flat = {} if len(node.output_shape(shape)) == 1 else {"flat": ir.Flatten()}
        graph = stack(
            shape,
            ir.Header(dt_s=1e-3, steps=1, bounds=(-10, 10)),
            node=node,
            **flat,
            li=ir.LI(beta=0.0),
        )
        return run(graph, Stimulus(x[:, None], 1)).scores

    def agree(self, node, x, function):
        expected = function(torch.tensor(x)).flatten(1).numpy()
        assert np.allclose(self.through(node, x), expected, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("groups", [1, 2])
    @pytest.mark.parametrize("geometry", [(1, 0, 1), (2, 1, 1), ((2, 1), (1, 2), (1, 2))])
    def test_conv2d(self, geometry, groups):
        stride, padding, dilation = (
            value if isinstance(value, tuple) else (value, value) for value in geometry
        )
        weight, bias = self.rng.normal(size=(6, 4 // groups, 3, 2)), self.rng.normal(size=6)
        shape = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        node = ir.Conv2d(weight=weight, bias=bias, **shape)
        w, b = torch.tensor(weight), torch.tensor(bias)
        x = self.rng.normal(size=(2, 4, 7, 8))
        self.agree(node, x, lambda t: torch.nn.functional.conv2d(t, w, b, **shape))

    def test_conv1d(self):
        weight = self.rng.normal(size=(4, 1, 3))
        shape = {"stride": (2,), "padding": (1,), "dilation": (2,), "groups": 2}
        node, w = ir.Conv1d(weight=weight, **shape), torch.tensor(weight)
        x = self.rng.normal(size=(2, 2, 9))
        self.agree(node, x, lambda t: torch.nn.functional.conv1d(t, w, None, **shape))

    def test_batch_norm(self):
        mean, var, scale, shift = self.rng.uniform(0.5, 2, (4, 3))
        node = ir.BatchNorm(mean=mean, var=var, scale=scale, shift=shift)
        values = [torch.tensor(v) for v in (mean, var, scale, shift)]
        x = self.rng.normal(size=(2, 3, 4, 4))
        self.agree(node, x, lambda t: torch.nn.functional.batch_norm(t, *values))

    @pytest.mark.parametrize("op", ["avg", "sum", "max"])
    def test_pool(self, op):
        node = ir.Pool2d(op=op, kernel=(3, 2), stride=(2, 1), padding=(1, 0))
        shape = {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)}
        x = self.rng.normal(size=(2, 3, 7, 6)) - 3  # all negative: padding must not win the maximum
        functions = {
            "avg": lambda t: torch.nn.functional.avg_pool2d(t, **shape),
            "sum": lambda t: 6 * torch.nn.functional.avg_pool2d(t, **shape),
            "max": lambda t: torch.nn.functional.max_pool2d(t, **shape),
        }
        self.agree(node, x, functions[op])

    def test_affine(self):
        weight, bias = self.rng.normal(size=(4, 3)), self.rng.normal(size=4)
        node, w, b = ir.Affine(weight=weight, bias=bias), torch.tensor(weight), torch.tensor(bias)
        x = self.rng.normal(size=(2, 3))
        self.agree(node, x, lambda t: torch.nn.functional.linear(t, w, b))

    def test_preprocessing(self):
        graph = stack(
            (2, 1, 1),
            ir.Header(dt_s=1e-3, steps=1, mean=(0.5, 1.0), std=(0.25, 2.0)),
            flat=ir.Flatten(),
            li=ir.LI(beta=0.0),
        )
        result = run(graph, Stimulus(np.ones((1, 1, 2, 1, 1)), 1))
        assert result.scores.tolist() == [[2.0, 0.0]]


class TestRunning:
    graph = neurons(lif(beta=0.9), 6, n=2)

    def test_precision_is_that_of_the_type(self):
        drive = stimulus(impulse(6), impulse(6, 0.3))
        assert run(self.graph, drive).membrane["neuron"].dtype == np.float64
        single = run(self.graph, drive, precision="single")
        assert single.membrane["neuron"].dtype == np.float32
        assert single.scores.dtype == np.float64
        assert single.membrane["neuron"][0, 1, 1] == np.float32(0.9) * np.float32(0.3)

    def test_chunks_of_the_batch_do_not_show(self, monkeypatch):
        values = np.random.default_rng(0).uniform(0, 2, (7, 6, 2))
        whole = run(self.graph, Stimulus(values, 6))
        monkeypatch.setattr(sys.modules["neurorobust_reference.backend"], "WORKING_SET", 1)
        pieces = run(self.graph, Stimulus(values, 6))
        assert np.array_equal(whole.scores, pieces.scores)
        assert np.array_equal(whole.spikes["neuron"], pieces.spikes["neuron"])

    def test_an_empty_batch_gives_empty_results(self):
        result = run(self.graph, Stimulus(np.zeros((0, 6, 2)), 6))
        assert result.scores.shape == (0, 2)
        assert result.spikes["neuron"].shape == (0, 6, 2)

    def test_only_what_was_asked_for_is_recorded(self):
        result = backends.run(self.graph, stimulus(impulse(6), impulse(6)), backend=reference)
        assert not result.spikes
        assert not result.membrane

    def test_scores_of_a_program_are_in_its_unit(self):
        program = fixed_neurons(fixed_lif(vth=1), 4).with_(score_unit=0.25)
        assert run(program, stimulus([1, 1, 0, 1])).scores.tolist() == [[0.75]]

    @pytest.mark.parametrize(
        "values", [np.zeros((1, 6, 3)), np.zeros((1, 5, 2)), np.zeros((1, 6, 2, 1))]
    )
    def test_a_stimulus_of_another_shape(self, values):
        with pytest.raises(InvalidInput, match=r"the model takes \(B, T or 1, 2\)"):
            run(self.graph, Stimulus(values, 6))

    def test_an_unknown_record(self):
        executable = reference.compile(self.graph, "float")
        with pytest.raises(InvalidInput, match=r"record is .*known are"):
            executable.run(stimulus(impulse(6), impulse(6)), record=("current",))

    def test_an_unknown_precision(self):
        with pytest.raises(InvalidInput, match="half"):
            reference.compile(self.graph, "float", precision="half")

    def test_the_rung_without_a_chip(self):
        with pytest.raises(Unsupported, match="no chip"):
            reference.compile(fixed_neurons(fixed_lif(vth=1), 4), "device")

    def test_closed(self):
        executable = reference.compile(self.graph, "float")
        executable.close()
        with pytest.raises(NeurorobustError, match="closed"):
            executable.run(stimulus(impulse(6), impulse(6)))
