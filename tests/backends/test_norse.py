"""Norse's cells against the canonical law, and what stock Norse does instead."""

import warnings

import numpy as np
import pytest

from neurorobust.backends import run
from neurorobust.data import Stimulus
from neurorobust.ir import LI
from neurorobust_norse.gaps import ROUNDING
from tests.support import small
from tests.support.helpers import require_backend
from tests.support.neuron_oracle import (
    HEADER,
    LAWS,
    drive,
    law,
    on_grid,
    oracle,
    population,
    spikes_of,
)
from tests.support.running import python

UNROUNDED = {"IF hard", "IF soft"}
"""Laws that Norse computes in the canonical order, as long as there is no current."""


@pytest.fixture
def backend(request):
    return require_backend(request, "norse")


@pytest.mark.parametrize("current", [False, True], ids=["no current", "current"])
@pytest.mark.parametrize("name", LAWS)
def test_every_law_in_double_precision(backend, name, current):
    rng = np.random.default_rng(21)
    for compare in (">", ">="):
        node = law(rng, name, current=current, compare=compare)
        for strength in (1, 4):
            x = drive(rng, strength)
            spikes, deviations = spikes_of(backend, node, x)
            # Rounding differs, but no membrane of these seeds is that close to its threshold.
            np.testing.assert_array_equal(spikes, oracle(node, x))
            exact = name in UNROUNDED and not current
            assert list(deviations) == [ROUNDING][exact:]


@pytest.mark.parametrize("name", sorted(UNROUNDED))
def test_if_neurons_are_exact_to_the_bit(backend, name):
    rng = np.random.default_rng(22)
    node = law(rng, name)
    x = drive(rng, 4).astype(np.float32)
    np.testing.assert_array_equal(spikes_of(backend, node, x, "single")[0], oracle(node, x))


def test_single_precision_moves_few_trains(backend):
    rng = np.random.default_rng(23)
    for reset in ("hard", "soft"):
        node = population(rng, reset=reset)
        x = drive(rng).astype(np.float32)
        spikes, _ = spikes_of(backend, node, x, "single")
        assert (spikes != oracle(node, x)).any(axis=1).sum() <= 4  # of 4000


@pytest.mark.parametrize("current", [False, True], ids=["no current", "current"])
@pytest.mark.parametrize("reset", ["hard", "soft", "none"])
@pytest.mark.parametrize("beta", [0.0, 0.5, 0.75, 1.0])
def test_ties_are_exact_on_a_binary_grid(backend, beta, reset, current):
    rng = np.random.default_rng(24)
    given = {"beta": beta, "threshold": 1.0, "reset": reset}
    given |= {"alpha": 0.5} if current else {}
    # 20 steps: with beta = 1/2 each step takes one more bit, and a double has 53.
    x = on_grid(rng)[:, :20]
    found = {}
    for compare in (">", ">="):
        node = population(rng, compare=compare, **given)
        found[compare], _ = spikes_of(backend, node, x)
        np.testing.assert_array_equal(found[compare], oracle(node, x))
    assert (found[">"] != found[">="]).any()


def test_other_leaks_flip_few_ties_and_say_so(backend):
    rng = np.random.default_rng(25)
    flips = 0
    for beta in (0.2, 0.8):
        node = population(rng, beta=beta, threshold=1.0)
        x = on_grid(rng).astype(np.float32)
        spikes, (deviation,) = spikes_of(backend, node, x, "single")
        assert deviation == ROUNDING
        flips += int((spikes != oracle(node, x)).sum())
    assert 0 < flips < 1000  # of 800 000


@pytest.mark.parametrize("beta", [0.0, 0.9, 1.0, [0.5, 1.0, 0.99]], ids=str)
def test_integrator_at_every_beta(backend, beta):
    rng = np.random.default_rng(26)
    node = LI(beta=beta, gain_in=[0.5, 2.0, 1.0], bias=[0.0, 0.1, -0.1], v_init=[0.0, 1.0, -1.0])
    graph = small.graph(3, HEADER, readout="last", li=node)
    x = rng.normal(size=(5, 30, 3))
    result = run(graph, Stimulus(x, 30), backend=backend)
    v = np.broadcast_to(node.v_init, (5, 3))
    for t in range(30):
        v = node.beta * v + node.gain_in * x[:, t] + node.bias
    np.testing.assert_allclose(result.scores, v, rtol=1e-12, atol=1e-12)
    assert ROUNDING in result.deviations


# What stock Norse 1.1.0 does. A failure below means that upstream changed: read the new rule, then
# simplify the mapping in neurorobust_norse.neurons.


@pytest.fixture
def norse(backend):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit\.", DeprecationWarning)
        import norse.torch  # noqa: TID251 (the findings below are about it)
    return norse.torch


def test_stock_importing_warns(backend):
    done = python("-W", "error::DeprecationWarning", "-c", "import norse.torch")
    assert "torch.jit.script" in done.stderr


def test_stock_box_cell_is_deaf_without_leak(norse):
    import torch

    cell = norse.LIFBoxCell(norse.LIFBoxParameters(tau_mem_inv=torch.tensor(0.0)), dt=1.0)
    state = norse.LIFBoxFeedForwardState(v=torch.zeros(1))
    spikes, state = cell(torch.full((1,), 100.0), state)
    assert not spikes.any()
    assert not state.v.any()


def test_stock_current_and_if_cells_have_no_other_reset(norse):
    assert "reset_method" in norse.LIFBoxParameters._fields
    assert "reset_method" not in norse.LIFParameters._fields
    assert "reset_method" not in norse.IAFParameters._fields


def test_stock_dt_flips_ties(norse):
    # Through dt = 1 ms the leak of beta = 0.9 becomes another number than the scaled threshold's.
    import torch

    leak = 1 - torch.tensor(0.9)
    fired = {}
    for dt in (1.0, 1e-3):
        p = norse.LIFBoxParameters(tau_mem_inv=leak / dt, v_th=leak)
        state = norse.LIFBoxFeedForwardState(v=torch.zeros(1))
        spikes, _ = norse.LIFBoxCell(p, dt=dt)(torch.ones(1), state)
        fired[dt] = bool(spikes)
    assert fired == {1.0: False, 1e-3: True}  # 1 > 1 is false
