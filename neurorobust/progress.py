"""How a job tells what it is doing."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

Progress = Callable[[str, int, int], None]
"""Called as ``(what, done, total)``."""


class Stages(Protocol):
    """Whoever shows the stages of a job."""

    def stage(self, name: str) -> AbstractContextManager[Progress]:
        """Enter a stage; what it yields is told how far it is."""
        ...
