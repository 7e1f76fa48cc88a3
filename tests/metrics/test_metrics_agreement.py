import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorobust.errors import InvalidInput
from neurorobust.metrics import (
    Column,
    Proportion,
    compare_spikes,
    decision_agreement,
    first_divergence,
    identical_columns,
)
from neurorobust.metrics.agreement import AGREEMENT_COLUMNS
from tests.support.results_fixture import outcomes

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
    assert (first.node, first.first_step, first.first_sample, first.first_neuron) == (
        "one",
        2,
        30,
        1,
    )
    assert (first.differing, first.samples_differing) == (2, 1)


def test_the_membrane_at_the_divergence_is_reported():
    a, b = silent(), silent()
    a["one"][0, 1, 1, 1] = 1
    membrane = {"one": np.full((3, 5, 2, 2), 0.5)}
    membrane["one"][0, 1, 1, 1] = 2.25
    per_channel = np.array([1.0, 2.0]).reshape(2, 1)
    first = first_divergence(
        compare_spikes(a, b, order=ORDER, membrane=membrane, thresholds={"one": per_channel})
    )
    assert (first.membrane, first.threshold, first.distance) == (2.25, 2.0, 0.25)


def test_a_row_fits_the_table():
    (row, _) = compare_spikes(silent(), silent(), order=ORDER)
    values = row.row(set_="clean", rung="float", backend="torch", against="reference")
    assert list(values) == list(AGREEMENT_COLUMNS)
    assert pl.DataFrame([values], schema=AGREEMENT_COLUMNS).height == 1


@given(st.integers(0, 2**32 - 1))
def test_comparison_is_symmetric_and_counts_every_flip(seed):
    rng = np.random.default_rng(seed)
    a = {"one": rng.integers(0, 2, (2, 4, 3)).astype(np.uint8)}
    b = {"one": rng.integers(0, 2, (2, 4, 3)).astype(np.uint8)}
    (there,), (back,) = compare_spikes(a, b, order=ORDER), compare_spikes(b, a, order=ORDER)
    assert there == back
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


def test_decision_agreement_is_symmetric_and_whole_on_the_diagonal():
    found = decision_agreement(outcomes())
    for (a, b), p in found.items():
        assert p == found[b, a]
        assert p.n == 60
        if a == b:
            assert p == Proportion(60, 60)


def test_columns_that_decide_alike_are_grouped():
    groups = identical_columns(outcomes())
    together = next(g for g in groups if Column("torch", "quantised") in g)
    assert Column("lava", "quantised") in together
    assert Column("snntorch", "quantised") not in together
