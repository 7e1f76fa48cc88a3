"""Options of the suite: what is required fails instead of skipping."""

import os

import pytest

# Before torch is imported, here and in every process the tests start: test processes share the
# cores, and threads that wait for each other by spinning take them from all the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-backend",
        action="append",
        default=[],
        metavar="NAME",
        help="fail, rather than skip, the tests of this backend when it cannot run",
    )
    parser.addoption(
        "--require-browser",
        action="store_true",
        help="fail, rather than skip, the tests of pages where there is no Chromium",
    )
