"""Random Programs, every spike and membrane compared exactly with the reference."""

import pytest

from neurorobust.testing.fuzz import fuzz
from tests.support.helpers import require_backend


@pytest.mark.parametrize(
    ("name", "count", "least"),
    [
        pytest.param("torch", 500, 100_000, id="torch"),
        pytest.param("lava", 50, 5_000, id="lava", marks=[pytest.mark.lava, pytest.mark.slow]),
    ],
)
def test_random_programs_agree_to_the_last_bit(request, name, count, least):
    backend = require_backend(request, name)
    tally = fuzz(backend, count)
    assert tally.programs == count
    assert tally.compared > least
    assert tally.fired > least // 100, "programs that do not fire show nothing"
    assert tally.differing == 0, f"{tally.differing} of {tally.compared} differ, {tally.first}"
