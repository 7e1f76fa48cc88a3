"""Running by name: closed always, in chunks as at once."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from neurorobust.backends import Support, compiled, get_backend, run, rung_of
from neurorobust.errors import InvalidInput
from neurorobust.testing import random_graph, random_program, random_stimulus
from tests.conformance.test_suite import Altered


@pytest.mark.parametrize("make", [partial(random_graph, grid=True), random_program])
def test_chunks_give_what_one_run_gives(make):
    rng = np.random.default_rng(4)
    model = make(rng)
    shown = random_stimulus(rng, model, 7)
    record = ["spikes", "membrane"] + ["overflows"] * (rung_of(model) == "quantised")
    whole = run(model, shown, backend="reference", record=record)
    parts = run(model, shown, backend="reference", record=record, chunk=3)
    assert np.array_equal(parts.scores, whole.scores)
    for kind in ("spikes", "membrane"):
        a, b = getattr(parts, kind), getattr(whole, kind)
        assert a.keys() == b.keys()
        assert all(np.array_equal(a[name], b[name]) for name in a)
    assert parts.overflows.keys() == whole.overflows.keys()
    for name, counted in parts.overflows.items():
        assert np.array_equal(counted.wrapped, whole.overflows[name].wrapped)
        assert np.array_equal(counted.saturated, whole.overflows[name].saturated)
    assert len(run(model, shown[:0], backend="reference", chunk=3).scores) == 0


def test_deviations_of_all_chunks_are_kept_once():
    rng = np.random.default_rng(0)
    model = random_graph(rng)
    backend = Altered(Support(), result=lambda r: replace(r, deviations=("rounding: x",)))
    found = run(model, random_stimulus(rng, model, 4), backend=backend, chunk=1)
    assert found.deviations == ("rounding: x",)


def test_it_is_closed_whatever_happens():
    model = random_graph(np.random.default_rng(0))
    with pytest.raises(ZeroDivisionError), compiled(model, get_backend("torch")) as executable:
        raise ZeroDivisionError
    shown = random_stimulus(np.random.default_rng(0), model, 1)
    with pytest.raises(InvalidInput, match="this executable is closed"):
        executable.run(shown)
