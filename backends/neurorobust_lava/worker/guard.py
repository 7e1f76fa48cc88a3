"""Noticing the end of a Lava process.

When one fails, Lava says nothing and its ``run`` waits for ever. The exception does lie in a pipe,
so a thread can look.
"""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

Report = Callable[[Exception, str], None]

_LOOK_S = 0.1


class ProcessModelFailed(RuntimeError):
    """A Lava process failed; the worker ends with it, because Lava cannot."""


class Guard:
    """Watches the processes of a running network.

    Args:
        runtime: Lava's runtime, initialised, so that all its forks are done.
        report: Gets the exception and its traceback; the process group is killed afterwards.
    """

    def __init__(self, runtime: Any, report: Report) -> None:
        """Keep the runtime's processes."""
        self._actors = list(runtime._messaging_infrastructure.actors)
        self._report = report
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="guard", daemon=True)

    def __enter__(self) -> None:
        """Begin to watch."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching, before Lava closes the pipes that are watched."""
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_LOOK_S):
            for actor in self._actors:
                # In this order: an exception is sent before its process ends.
                dead = not actor.is_alive()
                found = actor.exception
                if found:
                    error, text = found
                    message = f"{type(error).__name__} in a Lava process: {error}"
                elif dead:
                    message, text = f"a Lava process ended with exit code {actor.exitcode}", ""
                else:
                    continue
                self._report(ProcessModelFailed(message), text or message)
                os.killpg(os.getpgrp(), signal.SIGKILL)
