"""snnTorch's neurons against the canonical law, and what stock snnTorch does instead."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.helpers import require_backend
from tests.support.neuron_oracle import LAWS, N, drive, law, on_grid, oracle, population, spikes_of


@pytest.fixture
def backend(request):
    return require_backend(request, "snntorch")


@pytest.fixture
def snn(backend):
    import snntorch  # noqa: TID251 (the findings below are about it)

    return snntorch


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("current", [False, True], ids=["no current", "current"])
@pytest.mark.parametrize("name", LAWS)
def test_every_law_is_exact_to_the_bit(backend, name, current, precision):
    rng = np.random.default_rng(11)
    dtype = np.float64 if precision == "double" else np.float32
    for compare in (">", ">="):
        node = law(rng, name, current=current, compare=compare)
        for strength in (1, 4):
            x = drive(rng, strength).astype(dtype)
            spikes, deviations = spikes_of(backend, node, x, precision)
            np.testing.assert_array_equal(spikes, oracle(node, x))
            assert not deviations


@pytest.mark.parametrize("current", [False, True], ids=["no current", "current"])
@pytest.mark.parametrize("reset", ["hard", "soft", "none"])
@pytest.mark.parametrize("beta", [0.5, 0.9, 1.0])
def test_ties_fall_on_the_stated_side(backend, beta, reset, current):
    rng = np.random.default_rng(12)
    given = {"beta": beta, "threshold": 1.0, "reset": reset}
    given |= {"alpha": 0.25} if current else {}
    x = on_grid(rng)
    found = {}
    for compare in (">", ">="):
        node = population(rng, compare=compare, **given)
        found[compare], _ = spikes_of(backend, node, x)
        np.testing.assert_array_equal(found[compare], oracle(node, x))
    # A current is off the grid only where beta = 0.9 took the membrane off it before.
    assert (found[">"] != found[">="]).any()


@pytest.mark.parametrize(
    ("given", "mechanism"),
    [
        ({}, "zero"),
        ({"alpha": 0.5}, "zero"),
        ({"alpha": 0.5, "compare": ">="}, "zero"),
        ({"alpha": 0.5, "reset_timing": "next"}, "zero"),
        ({"reset": "soft", "reset_timing": "next"}, "subtract"),
        ({"reset": "none"}, "none"),
        ({"reset_timing": "next"}, None),
        ({"reset": "soft"}, None),
        ({"reset": "soft", "reset_timing": "next", "compare": ">="}, None),
        ({"reset": "soft", "reset_timing": "next", "reset_value": 0.7}, None),
        ({"reset_value": 0.1}, None),
        ({"bias": 0.1}, None),
        ({"v_init": 2.5}, None),
        ({"threshold": -0.5}, None),
        ({"threshold": 0.0, "compare": ">="}, None),
    ],
)
def test_stock_resets_serve_where_they_are_exact(backend, given, mechanism):
    from neurorobust.formats.modules.resets import own_mechanism

    assert own_mechanism(population(np.random.default_rng(0), **given), np.float64) == mechanism


def test_snntorch_forgets_our_neurons(backend, snn):
    before = len(snn.SpikingNeuron.instances)
    spikes_of(backend, population(np.random.default_rng(0), alpha=0.5), np.zeros((1, 2, N)))
    assert len(snn.SpikingNeuron.instances) == before


# What stock snnTorch 1.0.0 does. A failure below means that upstream changed: read the new rule,
# then simplify the mapping in neurorobust_snntorch.neurons.


def stock(cell, x):
    """Spike trains of a snnTorch neuron with explicit state, shape (B, T, N)."""
    import torch

    state, out = (), []
    for t in range(x.shape[1]):
        spikes, *state = cell(torch.from_numpy(x[:, t]), *state)
        out.append(spikes.numpy())
    return np.stack(out, axis=1)


def differing(cell, node, x):
    """Trains that differ from the canonical ones, and their number."""
    return int((stock(cell, x) != oracle(node, x)).any(axis=1).sum()), x.shape[0] * x.shape[2]


def parameters(node):
    import torch

    return torch.tensor(node.beta), {"threshold": torch.tensor(node.threshold)}


def test_stock_subtract_is_another_neuron(snn):
    rng = np.random.default_rng(13)
    node = population(rng, reset="soft")
    beta, options = parameters(node)
    for strength, least in ((1, 0.1), (4, 0.8)):
        x = drive(rng, strength)
        default, trains = differing(snn.Leaky(beta, **options), node, x)
        assert default > 0.5 * trains
        early, _ = differing(snn.Leaky(beta, **options, reset_delay=False), node, x)
        assert early > least * trains


def test_stock_subtract_is_a_soft_reset_by_threshold_over_beta(snn):
    rng = np.random.default_rng(14)
    node = population(rng, reset="soft")
    beta, options = parameters(node)
    by_more = replace(node, reset_value=node.threshold / node.beta)
    assert differing(snn.Leaky(beta, **options), by_more, drive(rng))[0] == 0


def test_stock_synaptic_zero_loses_the_input_after_a_spike(snn):
    import torch

    rng = np.random.default_rng(15)
    node = population(rng, alpha=rng.uniform(0.3, 0.9, N))
    beta, options = parameters(node)
    cell = snn.Synaptic(torch.tensor(node.alpha), beta, **options, reset_mechanism="zero")
    different, trains = differing(cell, node, drive(rng))
    assert different > 0.2 * trains


def test_stock_zero_resets_a_start_above_the_threshold(snn):
    rng = np.random.default_rng(16)
    node = population(rng, v_init=3.0)
    beta, options = parameters(node)
    cell = snn.Leaky(beta, **options, reset_mechanism="zero")
    import torch

    x = np.zeros((1, 1, N))
    spikes, _ = cell(torch.from_numpy(x[:, 0]), torch.full((1, N), 3.0, dtype=torch.float64))
    assert not spikes.any()
    assert oracle(node, x).any()


def test_stock_spikes_are_single_precision_and_a_wrong_state_is_dropped(snn):
    import torch

    cell = snn.Leaky(torch.tensor(0.5, dtype=torch.float64), reset_mechanism="none")
    x = torch.zeros(2, 3, dtype=torch.float64)
    spikes, _ = cell(x, torch.zeros_like(x))
    assert spikes.dtype == torch.float32
    _, membrane = cell(x, torch.ones(3, dtype=torch.float64))
    assert not membrane.any()  # a state of shape (3,) is not broadcast but zeroed
