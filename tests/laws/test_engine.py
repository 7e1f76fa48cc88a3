"""The torch engine against the golden model and against itself run another way."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from neurorobust.backends import get_backend, run
from neurorobust.data import Stimulus
from neurorobust.engine.dynamics import Neuron, exact_fire
from neurorobust.engine.network import EXACT, Network, Trace
from neurorobust.ir import LI, LIF, Affine, Output
from tests.support.networks import stack, wired
from tests.support.neuron_oracle import membranes
from tests.support.strategies import graphs

reference, torch_backend = get_backend("reference"), replace(get_backend("torch"), device="cpu")
EVERYTHING = ("spikes", "membrane")
search = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def both(graph, stimulus, **options):
    return [
        run(graph, stimulus, backend=backend, **options, record=EVERYTHING)
        for backend in (reference, torch_backend)
    ]


@given(graphs(grid=True))
@search
def test_equal_to_the_last_bit_where_sums_are_exact(case):
    """On the grid membranes often meet the threshold exactly, and no rounding hides a fault."""
    wanted, got = both(*case)
    assert np.array_equal(wanted.scores, got.scores)
    for name, h in wanted.membrane.items():
        assert np.array_equal(h, got.membrane[name])
    for name, spikes in wanted.spikes.items():
        assert np.array_equal(spikes, got.spikes[name])


@given(graphs())
@search
def test_spikes_are_equal_in_double_precision(case):
    wanted, got = both(*case)
    for name, spikes in wanted.spikes.items():
        assert np.array_equal(spikes, got.spikes[name])
    for name, h in wanted.membrane.items():
        assert np.allclose(h, got.membrane[name], rtol=1e-11, atol=1e-11)
    assert np.allclose(wanted.scores, got.scores, rtol=1e-11, atol=1e-11)


@given(graphs(grid=True))
@settings(search, max_examples=20)
def test_single_precision_is_exact_on_the_grid(case):
    graph, stimulus = case
    got = both(graph, stimulus, precision="single")[1]
    assert got.scores.dtype == np.float64
    for name, h in got.membrane.items():
        assert h.dtype == np.float32
        assert np.isfinite(h).all(), name


def test_single_precision_rounds_like_the_reference():
    """One neuron, no sums: every rounding is that of IEEE single."""
    node = LIF(beta=0.9, threshold=1.0)
    graph = stack((64,), 50, lif=node)
    values = np.random.default_rng(0).uniform(0, 0.5, (4, 50, 64))
    wanted, got = both(graph, Stimulus(values, 50), precision="single")
    assert got.membrane["lif"].dtype == np.float32
    assert np.array_equal(wanted.membrane["lif"], got.membrane["lif"])
    assert got.spikes["lif"].any()


@given(graphs())
@settings(search, max_examples=30)
def test_a_static_input_is_the_same_shown_step_by_step(case):
    graph, stimulus = case
    once = stimulus.values[:, :1]
    repeated = np.repeat(once, stimulus.steps, axis=1)
    short = both(graph, Stimulus(once, stimulus.steps))
    long = both(graph, Stimulus(repeated, stimulus.steps))
    for a, b in zip(short, long, strict=True):
        assert np.allclose(a.scores, b.scores, rtol=1e-11, atol=1e-11)
        for name, spikes in a.spikes.items():
            assert np.array_equal(spikes, b.spikes[name])


@given(graphs(grid=True, avoid=("recurrence",)))
@settings(search, max_examples=40)
def test_step_by_step_equals_node_by_node(case):
    graph, stimulus = case
    network = Network(graph)
    x = torch.tensor(stimulus.values).transpose(0, 1)
    x = (x - network.mean) / network.std
    one, two = Trace(), Trace()
    layers = network._layerwise(x, stimulus.steps, EXACT, one)
    steps = network._stepwise(x, stimulus.steps, EXACT, two)
    assert torch.equal(layers.expand_as(steps), steps)
    assert one.spikes.keys() == two.spikes.keys() == network.neurons.keys()
    for name in one.spikes:
        assert torch.equal(one.spikes[name], two.spikes[name])
        assert torch.equal(one.membrane[name], two.membrane[name])
        assert torch.equal(one.drive[name].expand_as(two.drive[name]), two.drive[name])


class TestEveryOption:
    """One neuron under random drive, against the equations written out."""

    @pytest.mark.parametrize("compare", [">", ">="])
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"reset": "soft"},
            {"reset": "none"},
            {"reset": "hard", "reset_value": -0.25},
            {"reset": "soft", "reset_value": 0.5},
            {"reset_timing": "next"},
            {"reset_timing": "next", "reset_value": 0.25},
            {"reset": "soft", "reset_timing": "next"},
            {"alpha": 0.5, "i_init": 0.5},
            {"gain_in": 2.0, "gain_syn": 0.25, "alpha": 0.75},
            {"bias": 0.125, "v_init": 0.75},
            {"v_min": -0.25},
            {"max_spikes": 3},
            {"max_spikes": 3, "reset": "soft", "threshold": 0.25},
            {"refractory": 2},
            {"refractory": 3, "reset_value": -0.5, "v_min": -0.25, "alpha": 0.5},
            {"beta": 1.0},
            {"beta": 0.0},
        ],
        ids=str,
    )
    def test_lif(self, fields, compare):
        node = LIF(**{"beta": 0.5, "threshold": 0.5, "compare": compare} | fields)
        x = np.random.default_rng(1).integers(-8, 14, (3, 60, 4)) / 16  # ties are common
        graph = stack((4,), 60, lif=node)
        result = run(graph, Stimulus(x, 60), backend=torch_backend, record=EVERYTHING)
        membrane, spikes = membranes(node, x)
        assert np.array_equal(result.membrane["lif"], membrane)
        assert np.array_equal(result.spikes["lif"], spikes)
        assert spikes.any()
        assert (membrane == node.threshold).any() or fields

    def test_counting_several_spikes(self):
        def fired(compare, h):
            node = LIF(beta=0.5, threshold=0.5, max_spikes=3, compare=compare)
            h = torch.tensor(h, dtype=torch.float64)
            return exact_fire(Neuron.of(node, h), h).tolist()

        h = [-1.0, 0.0, 0.49, 0.5, 0.51, 1.0, 1.01, 1.5, 9.0]
        assert fired(">", h) == [0, 0, 0, 0, 1, 1, 2, 2, 3]
        assert fired(">=", h) == [0, 0, 0, 1, 1, 2, 2, 3, 3]

    def test_li_by_hand(self):
        node = LI(beta=0.5, gain_in=2.0, bias=0.25, v_init=4.0)
        graph = stack((1,), 3, readout="last", li=node)
        x = np.array([1.0, 0.0, -1.0]).reshape(1, 3, 1)
        result = run(graph, Stimulus(x, 3), backend=torch_backend, record=EVERYTHING)
        assert result.membrane["li"].ravel().tolist() == [4.25, 2.375, -0.5625]
        assert result.scores.tolist() == [[-0.5625]]

    def test_delays_by_hand(self):
        """A spike of step 0 through delays 0, 1, 3; one beyond the run is never seen."""
        weights = {0: 1.0, 1: 10.0, 3: 100.0, 9: 1000.0}
        nodes = {f"fc{d}": Affine(weight=[[weight]], bias=[0.5]) for d, weight in weights.items()}
        nodes |= {"li": LI(beta=0.0), "output": Output(readout="last")}
        edges = ["li output", *(f"input>{d} fc{d} li" for d in weights)]
        x = np.array([1.0, 0, 0, 0, 2.0]).reshape(1, 5, 1)
        for result in both(wired(edges, 5, input=(1,), **nodes), Stimulus(x, 5)):
            assert result.membrane["li"].ravel().tolist() == [3, 12, 2, 102, 4]
