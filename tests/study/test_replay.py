"""Replay: samples are matched by their index, and a lane counts whole or not at all."""

from dataclasses import dataclass

import numpy as np
import pytest

from neurorobust.backends import get_backend
from neurorobust.data import Samples
from neurorobust.errors import InvalidInput, WorkerCrashed, WorkerError
from neurorobust.ir import LIF, Affine, Header
from neurorobust.study.lanes import Lane, open_lanes
from neurorobust.study.replay import replay
from neurorobust.study.sets import SampleSet
from tests.support import small

LANES = [Lane("reference", "float"), Lane("torch", "float")]


@pytest.fixture
def graph():
    rng = np.random.default_rng(0)
    fc, lif = Affine(weight=rng.normal(size=(4, 6))), LIF(beta=0.8, threshold=0.5)
    return small.graph(6, Header(dt_s=1e-3, steps=5), fc=fc, lif=lif)


def shown(count=20, **options):
    rng = np.random.default_rng(1)
    values, labels = rng.random((count, 6)), rng.integers(0, 4, count)
    samples = Samples("drawn", values, labels, np.arange(count) + 100)
    return SampleSet(samples, compare_spikes=True, **options)


def test_a_share_from_the_middle_meets_the_same_samples_of_the_reference(graph):
    def last_ten(lane, whole):
        return whole if lane.backend == "reference" else whole[:9:-1]

    done = replay(graph, None, [shown()], LANES, share=last_ten)
    (row,) = done.agreement.iter_rows(named=True)
    assert (row["samples"], row["differing"]) == (10, 0)


def test_a_planted_difference_is_found_at_its_sample(graph, monkeypatch):
    compile_ = type(get_backend("torch")).compile

    def flipped(self, model, rung, *, precision="double"):
        executable = compile_(self, model, rung, precision=precision)
        return _Flipped(executable)

    monkeypatch.setattr(type(get_backend("torch")), "compile", flipped)
    done = replay(graph, None, [shown()], LANES)
    (row,) = done.agreement.iter_rows(named=True)
    assert row["differing"] == 1
    assert (row["first_sample"], row["first_step"], row["first_neuron"]) == (107, 3, 2)


def test_a_lane_that_fails_on_the_way_leaves_no_rows(graph, monkeypatch):
    def failing(self, model, rung, *, precision="double"):
        return _Failing(get_backend("reference").compile(model, rung))

    monkeypatch.setattr(type(get_backend("torch")), "compile", failing)
    done = replay(graph, None, [shown(), shown()], LANES)
    assert done.outcomes["backend"].unique().to_list() == ["reference"]
    assert done.agreement.is_empty()
    assert [entry.lane.backend for entry in done.closed] == ["torch"]
    with pytest.raises(WorkerError, match=r"no lane came to its end.*on purpose"):
        replay(graph, None, [shown(), shown()], LANES[1:])


def test_no_lane_is_an_error_and_names_may_be_any_iterable(graph):
    with pytest.raises(InvalidInput, match="no lane"):
        replay(graph, None, [shown()], [])
    lanes, _ = open_lanes(graph, None, names=(name for name in ("reference", "torch")))
    assert lanes == LANES
    assert open_lanes(graph, None, names=[])[0] == []


def test_drawn_spikes_are_the_same_on_every_lane(graph):
    drawn = small.changed(graph, header={"coding": "bernoulli"})
    done = replay(drawn, None, [shown(seed=3)], LANES)
    assert done.agreement["differing"].sum() == 0
    other = replay(drawn, None, [shown(seed=4)], LANES[:1])
    assert not other.outcomes["margin"].equals(done.outcomes.filter(backend="reference")["margin"])


@dataclass
class _Flipped:
    inner: object

    def run(self, stimulus, record=()):
        result = self.inner.run(stimulus, record)
        result.spikes["lif"][7, 3, 2] ^= 1
        return result

    def close(self):
        self.inner.close()


@dataclass
class _Failing:
    inner: object
    runs: int = 0

    def run(self, stimulus, record=()):
        self.runs += 1
        if self.runs > 1:
            msg = "on purpose"
            raise WorkerCrashed(msg)
        return self.inner.run(stimulus, record)

    def close(self):
        self.inner.close()
