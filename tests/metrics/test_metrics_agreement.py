from neurorobust.metrics import Proportion, decision_agreement
from tests.support.results_fixture import outcomes


def test_decision_agreement_is_symmetric_and_whole_on_the_diagonal():
    found = decision_agreement(outcomes())
    for (a, b), p in found.items():
        assert p == found[b, a]
        assert p.n == 60
        if a == b:
            assert p == Proportion(60, 60)
