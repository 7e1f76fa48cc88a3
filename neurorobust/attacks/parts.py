"""Finished batches of a long attack, so that an interrupted one goes on where it was."""

from dataclasses import fields
from pathlib import Path
from shutil import rmtree
from typing import Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from neurorobust.attacks.crafted import Crafted
from neurorobust.errors import InvalidFile
from neurorobust.files import write_atomic


class Parts:
    """Batches of one request.

    Args:
        folder: Of this request alone: what lies there is taken for its batches. Made when needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, start: int, count: int) -> Crafted | None:
        """The batch of some samples, if it was finished.

        Raises:
            InvalidFile: if what is there is damaged.
        """
        path = self._path(start, count)
        if not path.exists():
            return None
        try:
            found = Crafted(**load(path.read_bytes()))
        except (OSError, SafetensorError, TypeError, ValueError) as error:
            reason = f"is no finished batch ({error}); delete it to craft it again"
            raise InvalidFile(path, reason) from error
        return found

    def save(self, start: int, crafted: Crafted) -> None:
        """Keep a finished batch."""
        arrays = {f.name: np.ascontiguousarray(getattr(crafted, f.name)) for f in fields(crafted)}
        write_atomic(self._path(start, len(crafted.clean)), save(arrays))

    def within(self, name: str) -> Self:
        """Those of one stage of this request."""
        return type(self)(self.folder / name)

    def remove(self) -> None:
        """Forget all, when the whole is stored; also the folder above, if nothing else is in it."""
        rmtree(self.folder, ignore_errors=True)
        try:
            self.folder.parent.rmdir()
        except OSError:  # others are unfinished, or it was never made
            return

    def _path(self, start: int, count: int) -> Path:
        return self.folder / f"{start:08d}-{count}.safetensors"
