"""Laws of the golden model on random networks, searched for counter-examples."""

import numpy as np
from hypothesis import HealthCheck, given, settings

from neurorobust import backends
from neurorobust.backends import get_backend
from neurorobust.data import Stimulus
from neurorobust.ir import LI, LIF, FixedLIF, load_model, save_model
from tests.support.strategies import graphs, programs

reference = get_backend("reference")
EVERYTHING = ("spikes", "membrane")
search = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def run(model, stimulus, rung="float"):
    return backends.run(model, stimulus, backend=reference, rung=rung, record=EVERYTHING)


@given(graphs())
@search
def test_spikes_are_where_the_membrane_passes_the_threshold(case):
    graph, stimulus = case
    result = run(graph, stimulus)
    for name in graph.spiking:
        node, h, s = graph.nodes[name], result.membrane[name], result.spikes[name]
        reached = h > node.threshold if node.compare == ">" else h >= node.threshold
        fired = s > 0
        assert not (fired & ~reached).any()
        if not node.refractory:
            assert np.array_equal(fired, reached)
        assert s.max(initial=0) <= node.max_spikes


@given(graphs())
@search
def test_membranes_and_scores_are_finite(case):
    graph, stimulus = case
    result = run(graph, stimulus)
    assert np.isfinite(result.scores).all()
    assert all(np.isfinite(h).all() for h in result.membrane.values())
    neurons = {n for n, node in graph.nodes.items() if isinstance(node, LIF | LI)}
    assert set(result.membrane) == neurons
    assert set(result.spikes) == set(graph.spiking)


@given(graphs(grid=True))
@search
def test_samples_do_not_see_each_other(case):
    graph, stimulus = case
    together = run(graph, stimulus)
    for n in range(len(stimulus)):
        alone = run(graph, stimulus[n : n + 1])
        assert np.array_equal(together.scores[n : n + 1], alone.scores)
        for name, spikes in together.spikes.items():
            assert np.array_equal(spikes[n : n + 1], alone.spikes[name])


@given(graphs())
@search
def test_a_longer_run_begins_like_a_shorter_one(case):
    graph, stimulus = case
    values = np.repeat(stimulus.values[:, :1], stimulus.steps + 5, axis=1)
    short = run(graph, Stimulus(values[:, : stimulus.steps], stimulus.steps))
    long = run(graph, Stimulus(values, stimulus.steps + 5))
    for name, spikes in short.spikes.items():
        assert np.array_equal(spikes, long.spikes[name][:, : stimulus.steps])


@given(graphs())
@settings(search, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_a_saved_graph_runs_the_same(tmp_path, case):
    graph, stimulus = case
    loaded = load_model(save_model(graph, tmp_path / "g.nrg"), type(graph))
    first, second = run(graph, stimulus), run(loaded, stimulus)
    assert loaded.content_hash == graph.content_hash
    assert np.array_equal(first.scores, second.scores)
    for name, h in first.membrane.items():
        assert np.array_equal(h, second.membrane[name])


@given(programs())
@search
def test_integer_membranes_stay_in_24_bits(case):
    program, stimulus = case
    result = run(program, stimulus, "quantised")
    for name, v in result.membrane.items():
        assert v.dtype == np.int64
        assert np.abs(v).max(initial=0) < 1 << 23
        node = program.nodes[name]
        if isinstance(node, FixedLIF):
            assert np.array_equal(result.spikes[name] > 0, v > node.vth.astype(np.int64) * 64)
