import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorobust.errors import InvalidInput
from neurorobust.metrics import Proportion, mcnemar_exact, wilson


# Newcombe 1998, Stat. Med. 17:857, table I, method 3 (score, without continuity correction).
@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_numbers(count, n, low, high):
    assert [round(bound, 4) for bound in wilson(count, n)] == [low, high]


def test_no_samples_know_nothing():
    assert wilson(0, 0) == (0.0, 1.0)
    assert math.isnan(Proportion(0, 0).rate)


@pytest.mark.parametrize(("count", "n"), [(3, 2), (-1, 2), (1, 0)])
def test_a_count_outside_its_n_is_refused(count, n):
    with pytest.raises(InvalidInput, match=r"must lie in 0\.\.n"):
        Proportion(count, n)


def test_a_confidence_outside_0_1_is_refused():
    with pytest.raises(InvalidInput, match="confidence is 95"):
        wilson(1, 2, confidence=95)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_rate_inside_0_1_and_mirrors(pair):
    count, n = pair
    low, high = wilson(count, n)
    assert 0 <= low <= count / n <= high <= 1
    mirrored = wilson(n - count, n)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)
    assert wilson(count, n, 0.99)[0] <= low


# 6 of 6 one way: 2 / 2^6. 1 of 10: 2 (1 + 10) / 2^10. Equal counts say nothing.
@pytest.mark.parametrize(
    ("lost", "gained", "p"), [(6, 0, 2 / 64), (1, 9, 22 / 1024), (4, 4, 1.0), (0, 0, 1.0)]
)
def test_mcnemar_is_exact(lost, gained, p):
    assert mcnemar_exact(lost, gained) == pytest.approx(p, rel=1e-15)
    assert mcnemar_exact(gained, lost) == mcnemar_exact(lost, gained)


def test_mcnemar_stays_finite_for_many_pairs():
    assert 0 < mcnemar_exact(4800, 5200) < 1e-4
    assert mcnemar_exact(0, 10_000) == 0.0


def test_mcnemar_refuses_negative_counts():
    with pytest.raises(InvalidInput, match="at least 0"):
        mcnemar_exact(-1, 3)
