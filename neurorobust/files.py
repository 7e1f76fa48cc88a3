"""Writing files so that they appear whole or not at all."""

import os
import tempfile
from pathlib import Path

from neurorobust.errors import InvalidFile

PART = ".part"
"""Ending of the hidden file that is written before it gets its name."""


def write_atomic(path: Path | str, data: bytes | str) -> Path:
    """Write to a temporary file beside the target, then rename it.

    Raises:
        InvalidFile: if the folder cannot be made or written.
    """
    path = Path(path)
    payload = data.encode() if isinstance(data, str) else data
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(payload)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = f"cannot be written ({error.strerror}); choose another folder"
        raise InvalidFile(path, reason) from error
    return path
