"""The core of every comparison: counts, first difference, distance to the threshold."""

from dataclasses import asdict, replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorobust.api import diff
from neurorobust.backends import run
from neurorobust.compare.selfcheck import self_check
from neurorobust.compare.spikes import SPIKE_COLUMNS, Partings, compare_spikes, first_divergence
from neurorobust.data import Stimulus
from neurorobust.errors import InvalidInput
from neurorobust.ir import LIF, FixedTernaryLIF
from neurorobust.testing.networks import fixed_neurons

ORDER = ("input", "one", "two")


def silent(b=3, t=5):
    return {
        "one": np.zeros((b, t, 2, 2), dtype=np.uint8),
        "two": np.zeros((b, t, 3), dtype=np.uint8),
    }


def test_equal_runs_have_no_divergence():
    rows = compare_spikes(silent(), silent(), order=ORDER)
    assert [(r.node, r.depth, r.values, r.differing) for r in rows] == [
        ("one", 1, 60, 0),
        ("two", 2, 45, 0),
    ]
    assert first_divergence(rows) is None


def test_the_first_divergence_is_the_earliest_step_then_the_earliest_node():
    a, b = silent(), silent()
    a["two"][1, 2, 0] = 1
    a["one"][2, 3, 1, 0] = 1
    rows = compare_spikes(a, b, order=ORDER)
    assert first_divergence(rows).node == "two"
    a["one"][2, 2, 0, 1] = 1
    first = first_divergence(compare_spikes(a, b, order=ORDER, samples=(10, 20, 30)))
    at = (first.node, first.first_step, first.first_sample, first.first_neuron)
    assert at == ("one", 2, 30, 1)
    assert (first.differing, first.samples_differing) == (2, 1)


def test_the_membrane_at_the_divergence_is_reported():
    a, b = silent(), silent()
    a["one"][0, 1, 1, 1] = 1
    membrane = {"one": np.full((3, 5, 2, 2), 0.5)}
    membrane["one"][0, 1, 1, 1] = 2.25
    nodes = {"one": LIF(beta=1.0, threshold=np.array([1.0, 2.0]).reshape(2, 1))}
    rows = compare_spikes(a, b, order=ORDER, membrane=membrane, nodes=nodes)
    first = first_divergence(rows)
    assert (first.membrane, first.threshold, first.distance) == (2.25, 2.0, 0.25)


def test_a_row_fits_the_table():
    (row, _) = compare_spikes(silent(), silent(), order=ORDER)
    assert list(asdict(row)) == list(SPIKE_COLUMNS)
    assert pl.DataFrame([asdict(row)], schema=SPIKE_COLUMNS).height == 1


@given(st.integers(0, 2**32 - 1))
def test_comparison_is_symmetric_and_counts_every_flip(seed):
    rng = np.random.default_rng(seed)
    a = {"one": rng.integers(0, 2, (2, 4, 3)).astype(np.uint8)}
    b = {"one": rng.integers(0, 2, (2, 4, 3)).astype(np.uint8)}
    (there,), (back,) = compare_spikes(a, b, order=ORDER), compare_spikes(b, a, order=ORDER)
    assert replace(there, fired=back.fired) == back
    assert (there.fired, back.fired) == (int(b["one"].sum()), int(a["one"].sum()))
    assert there.differing == int((a["one"] != b["one"]).sum())
    if there.differing:
        at = (there.first_sample, there.first_step, there.first_neuron)
        assert a["one"][at] != b["one"][at]
        before = slice(0, there.first_step)
        assert (a["one"][:, before] == b["one"][:, before]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("two"), "only one of the two runs has two"),
        (lambda a: a.update(two=a["two"][:, :4]), r"two: spikes have shapes \(3, 4, 3\)"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(change, message):
    a = silent()
    change(a)
    with pytest.raises(InvalidInput, match=message):
        compare_spikes(a, silent(), order=ORDER)


def test_a_node_outside_the_order_is_refused():
    with pytest.raises(InvalidInput, match="two not in the order of execution"):
        compare_spikes(silent(), silent(), order=("one",))
    with pytest.raises(InvalidInput, match="2 sample indices for 3 samples"):
        compare_spikes(silent(), silent(), order=ORDER, samples=(1, 2))


TERNARY = fixed_neurons(FixedTernaryLIF(vth_low=-20, vth_high=10, dv=0), 2, weight=[10, -20])
"""One spike brings either neuron exactly to one of its thresholds."""


@pytest.mark.parametrize(
    ("neuron", "earlier", "outputs", "threshold", "distance"),
    [
        (0, {"vth_high": 9}, (0, 1), (640, 576), (0, 64)),
        (1, {"vth_low": -19}, (0, -1), (-1280, -1216), (0, -64)),
    ],
    ids=["upper", "lower"],
)
def test_ternary_neurons_have_the_threshold_that_is_nearer(
    neuron, earlier, outputs, threshold, distance
):
    """In ``diff``, in a self-check and in the comparison of replays."""
    node = replace(TERNARY.nodes["neuron"], **{k: np.array(v) for k, v in earlier.items()})
    other = TERNARY.with_(nodes={**TERNARY.nodes, "neuron": node})
    values = np.zeros((1, 2, 2))
    values[0, 0, neuron] = 1
    membrane = threshold[0]

    first = diff(TERNARY, other, values, samples=0).first
    assert (first.step, first.neuron, first.outputs) == (0, (neuron,), outputs)
    assert first.membrane == (membrane, membrane)
    assert (first.threshold, first.distance) == (threshold, distance)

    verdict = self_check(
        lambda shown: run(other, shown, record=["spikes"]), TERNARY, inputs=values, samples=0
    )
    found = verdict.first
    assert verdict.agreement == "systematic"
    assert (found.neuron, found.spikes, found.expected) == ((neuron,), outputs[1], 0)
    assert (found.membrane, found.distance) == (membrane, 0)

    shown = Stimulus(values, 2)
    a, b = (run(m, shown, record=("spikes", "membrane")) for m in (TERNARY, other))
    (row,) = compare_spikes(
        a.spikes, b.spikes, order=other.order, membrane=b.membrane, nodes=other.nodes
    )
    assert (row.first_step, row.first_neuron) == (0, neuron)
    assert (row.membrane, row.threshold) == (membrane, threshold[1])
    assert row.distance == distance[1]


def test_several_spikes_per_step_are_held_against_the_nearest_multiple():
    a, b = ({"n": np.array([[[count]]], np.uint8)} for count in (2, 1))
    nodes = {"n": LIF(beta=1.0, threshold=0.5, reset="soft", max_spikes=4)}
    membrane = {"n": np.array([[[0.75 + 2**-8]]])}
    (row,) = compare_spikes(a, b, order=("n",), membrane=membrane, nodes=nodes)
    assert (row.threshold, row.distance) == (1.0, -0.25 + 2**-8)


def test_samples_part_at_their_earliest_step_and_there_in_the_earliest_node():
    one, two = np.zeros((3, 4, 2), bool), np.zeros((3, 4, 2), bool)
    two[0, 1, 1] = one[0, 2, 0] = True
    one[2, 1, 0] = two[2, 1, 1] = True
    found = Partings.of([one, two])
    assert found.first.tolist() == [[1, 1], [4, 0], [1, 0]]
    assert found.samples == [2, 0]
    assert found.at(0).tolist() == [False, True]
    near = np.ones_like(one)
    assert found.beyond([None, near]).tolist() == [False, False, True]
    assert found.beyond([near, ~two]).tolist() == [True, False, False]
