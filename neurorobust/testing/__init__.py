"""The conformance suite, for everyone who writes a backend.

``python -m neurorobust.testing --backend NAME`` prints what holds. In a test suite::

    @pytest.mark.parametrize("name", neurorobust.testing.CHECKS)
    def test_conformance(name):
        outcome = CHECKS[name].run(my_backend, "float")
        assert outcome.status != "failed", outcome.detail
"""

import neurorobust.testing.checks  # noqa: F401  # registers the checks
from neurorobust.testing.draws import random_stimulus
from neurorobust.testing.expected import Expected, assert_agrees
from neurorobust.testing.outcome import CHECKS, Check, Outcome, check
from neurorobust.testing.random_networks import random_graph
from neurorobust.testing.random_programs import random_program
from neurorobust.testing.trial import Skipped, Trial

__all__ = [
    "CHECKS",
    "Check",
    "Expected",
    "Outcome",
    "Skipped",
    "Trial",
    "assert_agrees",
    "check",
    "random_graph",
    "random_program",
    "random_stimulus",
]
