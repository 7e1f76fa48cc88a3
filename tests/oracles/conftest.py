"""Where the published data lie, and one worker with lava-dl for all."""

import subprocess
from pathlib import Path

import pytest

from neurorobust_lava.process import LavaWorker
from tests.support.helpers import require_lava

_WHEEL = (
    "import importlib.metadata as m; "
    "print(m.distribution('lava-dl').locate_file('tests/lava/lib/dl/netx'))"
)


@pytest.fixture(scope="session")
def lava_dl_python(request) -> Path:
    """Python that has lava-dl, or a skip; a failure when the run demands it."""
    return require_lava(request, "lava-dl")


@pytest.fixture(scope="session")
def published(lava_dl_python) -> Path:
    """Networks and their ground truths that lava-dl is distributed with."""
    command = [lava_dl_python, "-I", "-c", _WHEEL]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return Path(found.stdout.strip())


@pytest.fixture(scope="session")
def lava_dl(lava_dl_python):
    with LavaWorker(python=lava_dl_python) as worker:
        yield worker
