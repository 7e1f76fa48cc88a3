"""Running one command of an environment build, with its output passed on and remembered."""

import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Say = Callable[[str], None]

TIMED_OUT = 124
NOT_STARTED = 127

_TAIL_LINES = 20

# The host's own interpreter must not leak into the one that is being built; everything else stays,
# because the user's index and proxy settings are in there.
_HIDDEN_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended and the last lines it wrote."""

    code: int
    tail: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.code == 0


def run(command: Sequence[str | Path], *, timeout_s: float, say: Say, cwd: Path) -> Outcome:
    """Run a command to its end; kill it with all its children when it takes too long.

    Args:
        command: Program and arguments.
        timeout_s: Limit, seconds, > 0.
        say: Gets every line of output as it comes.
        cwd: Working directory; a neutral one, so that no project file there changes anything.

    Returns:
        The exit code, :data:`TIMED_OUT` or :data:`NOT_STARTED` included, and the last lines.
    """
    environment = {key: val for key, val in os.environ.items() if key not in _HIDDEN_VARIABLES}
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    try:
        process = subprocess.Popen(  # noqa: S603 - running this command is the purpose
            [os.fspath(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=environment,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return Outcome(NOT_STARTED, (str(error),))
    late = threading.Event()

    def expire() -> None:
        late.set()
        _kill_group(process.pid)

    timer = threading.Timer(timeout_s, expire)
    timer.daemon = True
    timer.start()
    with process:
        try:
            for raw in process.stdout or ():
                line = raw.rstrip()
                tail.append(line)
                say(line)
            code = process.wait()
        except BaseException:
            _kill_group(process.pid)
            raise
        finally:
            timer.cancel()
            timer.join()
    if late.is_set():
        return Outcome(TIMED_OUT, (*tail, f"(killed after {timeout_s:g} s)"))
    return Outcome(code, tuple(tail))


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
