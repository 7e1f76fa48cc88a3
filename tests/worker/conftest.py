"""Fixtures for everything that runs in another process."""

import contextlib
import os
import sys
import time
from pathlib import Path

import pytest

from neurorobust.backends.worker.client import WorkerClient
from neurorobust_lava.process import LavaWorker
from tests.support.helpers import require_lava

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only looked at
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


def leftovers(worker: LavaWorker) -> list[Path]:
    return list(SHARED_MEMORY.glob(f"{worker._prefix}*")) if SHARED_MEMORY.exists() else []


def group_of(leader: int) -> list[int]:
    """Processes of a group, without those that end meanwhile."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(ProcessLookupError):
                if os.getpgid(int(entry.name)) == leader:
                    members.append(int(entry.name))
    return members


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
    """Python that has lava-nc, or a skip; a failure when the run demands Lava."""
    return require_lava(request, "lava")


@pytest.fixture(scope="session")
def lava_dl_python(request) -> Path:
    """Python that has lava-dl too, or a skip; a failure when the run demands it."""
    return require_lava(request, "lava-dl")
