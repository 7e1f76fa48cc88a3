"""Shared memory that can be told from everybody else's.

Lava's channels are shared-memory segments, which stay in ``/dev/shm`` when their process is
killed. Python names them at random; with a prefix chosen by the host they can be removed
afterwards without touching those of another process.
"""

import os
import pathlib
import shutil
from multiprocessing import shared_memory

PREFIX_VARIABLE = "NEUROROBUST_SHM_PREFIX"
_FOLDER = pathlib.Path("/dev/shm")  # noqa: S108 - where POSIX segments are, not a place to write


def claim_names() -> None:
    """Let every new segment begin with the prefix that the host gave."""
    prefix = os.environ.get(PREFIX_VARIABLE)
    if prefix:
        shared_memory._SHM_NAME_PREFIX = "/" + prefix
        shared_memory._SHM_SAFE_NAME_LENGTH = len(prefix) + 17


def remove_segments() -> None:
    """Remove what this worker, and the host that is gone, leave in shared memory."""
    prefix = os.environ.get(PREFIX_VARIABLE)
    if prefix and _FOLDER.is_dir():
        for entry in _FOLDER.glob(prefix + "*"):
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
