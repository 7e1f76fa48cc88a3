"""Every check of neurorobust.testing on every registered backend and rung."""

import pytest

from neurorobust.backends import SIMULATED, backend_names, get_backend
from neurorobust.errors import BackendUnavailable
from neurorobust.testing import CHECKS
from tests.support.helpers import require_backend


def rungs_of(name):
    """Rungs a backend offers; both where it does not load, so that its absence shows."""
    try:
        return tuple(get_backend(name).capabilities().rungs)
    except BackendUnavailable:
        return SIMULATED


CASES = [
    pytest.param(
        *(backend, rung, name),
        id=f"{backend}-{rung}-{name}",
        marks=[pytest.mark.lava] * (backend == "lava"),
    )
    for backend in backend_names()
    for rung in rungs_of(backend)
    for name, check in CHECKS.items()
    if rung in check.rungs
]


@pytest.mark.parametrize(("backend_name", "rung", "name"), CASES)
def test_conformance(request, backend_name, rung, name):
    backend = require_backend(request, backend_name)
    outcome = CHECKS[name].run(backend, rung)
    if outcome.status == "skipped":
        pytest.skip(outcome.detail)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.runs > 0, "a check that ran nothing cannot pass"
