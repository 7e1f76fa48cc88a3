import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorobust.errors import InvalidInput
from neurorobust.metrics import (
    Column,
    Proportion,
    SetKey,
    accuracies,
    block,
    churn,
    columns_of,
    sets_of,
    transfer,
)
from neurorobust.metrics.success import absolute_drop, conditional, relative_drop, unconditional
from neurorobust.study.tables import OUTCOMES

T, Q, L = Column("torch", "float"), Column("torch", "quantised"), Column("lava", "quantised")
FGSM, PGD = SetKey("aa", "fgsm", "rga", 0.1), SetKey("bb", "pgd", "rga", 0.1)
CLEAN = SetKey("clean", "none", "none", 0.0)


def rows(key, column, right, samples=None):
    """Label 0; decision 0 where right, else 1."""
    samples = range(len(right)) if samples is None else samples
    return [
        (*key, *column, sample, 0, 0 if good else 1, 1.0 if good else -1.0)
        for sample, good in zip(samples, right, strict=True)
    ]


def frame(*parts):
    names = (*SetKey._fields, *Column._fields, "sample", "label", "decision", "margin")
    schema = {name: OUTCOMES[name] for name in names}
    return pl.DataFrame([row for part in parts for row in part], schema=schema, orient="row")


def bits(text):
    return [letter == "1" for letter in text]


def example(*more):
    # Sample:               01234567
    return frame(
        rows(CLEAN, T, bits("11111110")),
        rows(CLEAN, Q, bits("11111101")),
        rows(PGD, T, bits("00011110")),
        rows(PGD, Q, bits("00110111")),
        *more,
    )


def test_a_hand_computed_example():
    own, other = transfer(example(), T)
    # Right on both when clean: samples 0..5. Torch float is fooled on 0 1 2, quantised on 0 1 4.
    assert own.success == other.success == Proportion(3, 6)
    assert (own.clean, other.clean) == (Proportion(7, 8), Proportion(7, 8))
    assert (own.accuracy, other.accuracy) == (Proportion(4, 8), Proportion(5, 8))
    assert other.churn.kept == Proportion(2, 3)
    assert other.churn.lost == Proportion(1, 3)
    assert other.churn.gained == Proportion(1, 3)
    assert other.churn.p_value == 1.0
    assert other.churn.retention == 1.0


def test_an_unchanged_total_can_hide_churn():
    own, other = transfer(example(), T)
    assert own.success == other.success
    assert other.churn.lost.count > 0
    assert other.churn.gained.count > 0


def test_only_samples_common_to_all_are_compared():
    outcomes = example(rows(CLEAN, L, bits("111"), (1, 2, 7)), rows(PGD, L, bits("01"), (2, 3)))
    found = {t.column: t for t in transfer(outcomes, T)}
    # PGD on lava has samples 2 and 3, clean 1, 2 and 7: only sample 2 is left.
    assert {t.accuracy.n for t in found.values()} == {1}
    assert found[L].churn.kept == Proportion(1, 1)
    assert found[Q].churn.lost == Proportion(1, 1)
    assert {t.accuracy.n for t in transfer(outcomes, T, (T, Q))} == {8}


def test_a_column_without_clean_decisions_is_not_compared():
    assert {t.column for t in transfer(example(rows(PGD, L, bits("0000"))), T)} == {T, Q}


def test_without_the_surrogate_there_is_no_churn():
    outcomes = example().filter(pl.col("rung") == "quantised")
    (only,) = transfer(outcomes, T)
    assert only.churn is None
    assert only.success == Proportion(3, 7)


def test_no_common_correct_sample_gives_no_rate():
    outcomes = frame(rows(CLEAN, T, bits("00")), rows(PGD, T, bits("00")))
    (only,) = transfer(outcomes, T)
    assert only.success == Proportion(0, 0)
    assert np.isnan(only.churn.retention)


truths = st.integers(1, 12).flatmap(
    lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=6, max_size=6)
)


@settings(deadline=None)
@given(truths, st.randoms(use_true_random=False))
def test_laws_of_transfer(table, random):
    outcomes = frame(
        *(rows(CLEAN, column, right) for column, right in zip((T, Q, L), table[:3], strict=True)),
        *(rows(PGD, column, right) for column, right in zip((T, Q, L), table[3:], strict=True)),
    )
    found = transfer(outcomes, T)
    own = next(t for t in found if t.column == T)
    assert own.churn.lost.count == own.churn.gained.count == 0
    for t in found:
        kept, lost, gained = t.churn.kept, t.churn.lost, t.churn.gained
        assert kept.count + lost.count == kept.n == lost.n == own.success.count
        assert gained.n == own.success.n - own.success.count
        assert kept.count + gained.count == t.success.count
        assert 0 <= t.churn.p_value <= 1
    order = list(range(len(outcomes)))
    random.shuffle(order)
    shuffled = {t.column: t for t in transfer(outcomes[order], T)}
    assert shuffled == {t.column: t for t in found}


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_swapping_surrogate_and_backend_swaps_lost_and_gained(pairs):
    a, b = (np.array([pair[i] for pair in pairs], dtype=bool) for i in (0, 1))
    there, back = churn(a, b), churn(b, a)
    assert there.lost.count == back.gained.count
    assert there.kept.count == back.kept.count
    assert there.p_value == back.p_value


def test_accuracy_is_over_common_samples():
    found = accuracies(example())
    assert found == {T: Proportion(7, 8), Q: Proportion(7, 8)}
    with pytest.raises(InvalidInput, match="no compared backend has it; the sets are clean, bb"):
        block(example(), "zz")


def test_sets_and_columns_come_in_a_fixed_order():
    outcomes = frame(
        rows(PGD, Q, [True]), rows(FGSM, L, [True]), rows(CLEAN, T, [True]), rows(CLEAN, Q, [True])
    )
    assert sets_of(outcomes) == (CLEAN, FGSM, PGD)
    assert columns_of(outcomes) == (T, Q, L)


def test_the_definitions_of_success_differ():
    clean, attacked = np.array(bits("11110")), np.array(bits("00111"))
    assert conditional(clean, attacked) == Proportion(2, 4)
    assert unconditional(clean, attacked) == Proportion(2, 5)
    assert relative_drop(clean, attacked) == pytest.approx(1 / 4)
    assert absolute_drop(clean, attacked) == pytest.approx(1 / 5)
