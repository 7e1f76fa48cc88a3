"""Fixtures for everything that runs in another process."""

import sys
import time
from pathlib import Path

import pytest

from neurorobust.backends.worker import WorkerClient, status
from neurorobust_lava.environment import LAVA_ENVIRONMENT

FAKE_WORKER = Path(__file__).with_name("fake_worker.py")


def gone(pid: int, within_s: float = 5.0) -> bool:
    """Whether a process ends in time; a zombie has ended."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def fake(tmp_path):
    """Start a fake worker with a fault; all are closed at the end."""
    started = []

    def start(fault: str = "", **options) -> WorkerClient:
        command = [sys.executable, "-I", "-u", FAKE_WORKER, fault]
        client = WorkerClient(command, log=tmp_path / "worker.log", **options)
        started.append(client)
        return client

    yield start
    for client in started:
        client.close()


@pytest.fixture(scope="session")
def lava_python(request) -> Path:
    """Python of the Lava environment, or a skip; a failure when the run demands Lava."""
    found = [status(LAVA_ENVIRONMENT, tier.name) for tier in LAVA_ENVIRONMENT.tiers]
    for environment in found:
        if environment.python is not None:
            return environment.python
    reason = f"lava: {found[0].detail}"
    if "lava" in request.config.getoption("--require-backend", default=[]):
        pytest.fail(f"Lava is required but {reason}")
    pytest.skip(reason)
