"""Options of the suite; a backend named with --require-backend fails instead of skipping."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-backend",
        action="append",
        default=[],
        metavar="NAME",
        help="fail, rather than skip, the tests of this backend when it cannot run",
    )
