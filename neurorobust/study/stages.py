"""The clock of a run: how long each of its stages took, when, and with what."""

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from neurorobust.progress import Progress, Stages


class Clock:
    """Times stages while they are shown.

    Args:
        stages: Told about progress.

    Attributes:
        rows: Name and seconds of each stage, as JSON values.
    """

    def __init__(self, stages: Stages) -> None:
        self._stages, self._start = stages, time.perf_counter()
        self.rows: list[dict[str, Any]] = []

    @contextmanager
    def stage(self, shown: str, name: str = "") -> Iterator[Progress]:
        """A stage as people are told of it, under the name that is recorded."""
        start = time.perf_counter()
        with self._stages.stage(shown) as progress:
            yield progress
        seconds = round(time.perf_counter() - start, 3)
        self.rows.append({"name": name or shown, "wall_s": seconds})

    @property
    def wall_s(self) -> float:
        """Seconds since the run began."""
        return round(time.perf_counter() - self._start, 3)


class Steps:
    """Stages that are steps of one.

    Args:
        progress: Of the one.
        total: Number of steps.
    """

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    @contextmanager
    def stage(self, name: str) -> Iterator[Progress]:
        """A step; how far it is within is not told."""
        self._progress(name, self._done, self._total)
        yield lambda *_: None
        self._done += 1


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions(*packages: str) -> dict[str, str]:
    """Of Python and of installed packages."""
    return {"python": platform.python_version()} | {name: version(name) for name in packages}
