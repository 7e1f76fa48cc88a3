"""No estimator changes a forward pass, and inference is one law however it is run."""

import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from neurorobust.engine.dynamics import Neuron, exact_fire, initial_state, lif_sequence, lif_step
from neurorobust.engine.estimators import (
    SURROGATES,
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
from neurorobust.engine.network import EXACT, Network, Spikes, Trace
from neurorobust.ir import LIF
from tests.support.estimator_cases import STEPS, mixed
from tests.support.strategies import graphs

search = settings(max_examples=12, deadline=None, derandomize=True, database=None)


def estimators():
    return [
        *(Stbp(), Stbp("sigmoid", 0.3, detach_reset=True), Stbp("gaussian", scale=0.5)),
        *(Stbp(shape, 0.7, detach_reset=True) for shape in SURROGATES),
        *(Rga(), Rga(variant="code"), Bptr(), Cba(), Hart(), Hart(0.4, "arctan")),
        *(Pdsg(), Pdsg("batch"), Assg(), Assg(surrogate="gaussian", sharpness=2.0)),
        *(Mix([Hart(), Stbp()]), Mix([Assg(), Rga(), Bptr()], [1, 0, 3], normalise=False)),
    ]


def scores_with_numbers_as_gradient(estimator, graph, stimulus):
    x = torch.tensor(stimulus.values, requires_grad=True)
    scores = estimator.scores(Network(graph), x, stimulus.steps)
    if scores.requires_grad:
        (found,) = torch.autograd.grad(scores.sum(), x, allow_unused=True)
        assert found is None or torch.isfinite(found).all(), estimator.describe()
    return scores


@given(graphs())
@settings(search, max_examples=25)
def test_scores_are_those_of_inference(case):
    graph, stimulus = case
    for dtype in (torch.float64, torch.float32):
        network, x = Network(graph, dtype=dtype), torch.tensor(stimulus.values)
        for estimator in estimators():
            assert_forward_identity(estimator, network, x, stimulus.steps)
        assert_forward_identity(TimeExtended(Rga(), 2), network, x[:, :1], stimulus.steps)
    with torch.no_grad():
        wanted = Network(graph).run(x, stimulus.steps)
    for estimator in estimators():
        assert torch.equal(scores_with_numbers_as_gradient(estimator, graph, stimulus), wanted)


@given(graphs(grid=True))
@settings(search, max_examples=25)
def test_gradients_are_numbers_at_every_edge(case):
    """Decays of 0 and 1, currents on the knee, membranes on the threshold."""
    for estimator in estimators():
        scores_with_numbers_as_gradient(estimator, *case)


@given(graphs())
@search
def test_inference_is_the_same_with_and_without_a_trace(case):
    """With a trace neurons go step by step, without in place: to the last bit the same."""
    graph, stimulus = case
    for dtype in (torch.float64, torch.float32):
        network, x = Network(graph, dtype=dtype), torch.tensor(stimulus.values)
        trace = Trace()
        assert torch.equal(
            network.run(x, stimulus.steps), network.run(x, stimulus.steps, trace=trace)
        )
        for name, neuron in network.neurons.items():
            drive, seen = trace.drive[name], []
            spikes = lif_sequence(
                neuron, drive, stimulus.steps, lambda h, s=seen: s.append(h.clone())
            )
            assert torch.equal(spikes, trace.spikes[name]), name
            assert torch.equal(torch.stack(seen), trace.membrane[name]), name


@pytest.mark.parametrize("compare", [">", ">="])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"reset": "soft"},
        {"reset": "none"},
        {"reset_value": -0.25},
        {"reset": "soft", "reset_value": 0.5},
        {"reset_timing": "next"},
        {"alpha": 0.5, "i_init": 0.5, "gain_in": 2.0, "gain_syn": 0.25},
        {"bias": 0.125, "v_init": 0.75, "v_min": -0.25},
        {"max_spikes": 3},
        {"refractory": 2},
        {"threshold": np.linspace(0.25, 1.25, 4).reshape(4, 1, 1), "gain_syn": 3.0},
    ],
    ids=str,
)
def test_every_option_in_place(fields, compare):
    """Single precision and channels last, on a grid where ties are common."""
    node = LIF(**{"beta": 0.75, "threshold": 0.5, "compare": compare} | fields)
    neuron = Neuron.of(node, torch.empty((), dtype=torch.float32))
    draw = torch.Generator().manual_seed(0)
    x = torch.randint(-8, 14, (12, 2, 4, 5, 3), generator=draw) / 16
    for shown in (x, x[:1], x.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)):
        state, spikes, membrane = initial_state(neuron, shown[0]), [], []
        for t in range(12):
            s, h = lif_step(neuron, state, shown[t if len(shown) > 1 else 0], exact_fire)
            spikes.append(s)
            membrane.append(h)
        seen = []
        found = lif_sequence(neuron, shown, 12, lambda h, kept=seen: kept.append(h.clone()))
        assert torch.equal(found, torch.stack(spikes))
        assert torch.equal(torch.stack(seen), torch.stack(membrane))
        assert found[0].stride() == shown[0].stride()
        assert 0 < found.mean() < (4 if node.max_spikes > 1 else 1)


def test_a_spike_train_in_bf16_is_that_of_its_drive():
    """State and comparison stay in the neuron's precision; 0 and 1 are exact."""
    neuron = Neuron.of(LIF(beta=0.9, threshold=1.0), torch.empty((), dtype=torch.float32))
    drive = torch.rand(9, 2, 30, generator=torch.Generator().manual_seed(0)).bfloat16()
    found = lif_sequence(neuron, drive, 9)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found.float(), lif_sequence(neuron, drive.float(), 9))


def test_values_are_dropped_after_their_last_use():
    """The spikes of the first layer are gone when the last one fires, and nothing else changes."""

    class Watching(Spikes):
        def __init__(self):
            self.alive, self.references = {}, []

        def sequence(self, name, neuron, x, steps, *, membrane):
            self.alive[name] = [reference() is not None for reference in self.references]
            out, h = EXACT.sequence(name, neuron, x, steps, membrane=membrane)
            self.references.append(weakref.ref(out))
            return out, h

    network, watching = Network(mixed("count")), Watching()
    x = torch.rand(2, 1, 2, 6, 6, dtype=torch.float64)
    assert torch.equal(network.run(x, STEPS, watching), network.run(x, STEPS))
    assert watching.alive == {"lif": [], "lif2": [False], "out": [False, False]}
