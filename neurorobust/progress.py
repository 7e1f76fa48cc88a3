"""How a job tells what it is doing."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Progress = Callable[[str, int, int], None]
"""Called as ``(what, done, total)``."""


class Stages(Protocol):
    """Whoever shows the stages of a job."""

    def stage(self, name: str) -> AbstractContextManager[Progress]:
        """Enter a stage; what it yields is told how far it is."""
        ...


class Silent:
    """Shows nothing."""

    @contextmanager
    def stage(self, name: str) -> Iterator[Progress]:
        """A stage nobody hears of."""
        yield lambda *_: None
