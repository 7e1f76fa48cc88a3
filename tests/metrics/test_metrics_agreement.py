from neurorobust.metrics import Column, Proportion, decision_agreement, identical_columns
from tests.support.results_fixture import outcomes


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
    assert Column("norse", "quantised") not in together
