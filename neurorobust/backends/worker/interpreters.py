"""Finding a Python of a given version, by running it.

A name on ``PATH`` proves nothing: version managers put launchers there that fail with exit code
127 for every version that is not switched on. So each candidate is executed and asked.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from neurorobust.backends.worker.commands import Outcome, run

_PROBE = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"
_PROBE_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Search:
    """Result of a search: the interpreter, if any, and why the others were passed over."""

    python: Path | None
    origin: str
    passed_over: tuple[str, ...]


def uv_command() -> tuple[str, ...] | None:
    """Command that runs uv, if it is installed in this environment or on ``PATH``."""
    if find_spec("uv") is not None:
        return (sys.executable, "-m", "uv")
    found = shutil.which("uv")
    return (found,) if found else None


def find_python(version: str, variable: str | None) -> Search:
    """Find a working interpreter of a version.

    Args:
        version: Major and minor, e.g. ``3.10``.
        variable: Environment variable that names the interpreter to use, asked first. When it is
            set nothing else is tried: a user who names one does not want another.

    Returns:
        The first candidate that runs and is of that version.
    """
    passed_over: list[str] = []
    for origin, candidate in _candidates(version, variable):
        python, reason = probe(candidate, version)
        if python is not None:
            return Search(python, origin, tuple(passed_over))
        passed_over.append(f"{candidate} ({origin}): {reason}")
    return Search(None, "", tuple(passed_over))


def probe(candidate: Path, version: str) -> tuple[Path | None, str]:
    """Run a candidate and ask for its version.

    Args:
        candidate: Path of a program that should be a Python.
        version: Major and minor that it must have.

    Returns:
        Path of the interpreter and an empty reason, or None and the reason against it.
    """
    outcome = _quiet([candidate, "-I", "-c", _PROBE])
    if not outcome.ok:
        last = outcome.tail[-1] if outcome.tail else "no output"
        return None, f"exit code {outcome.code}: {last}"
    if len(outcome.tail) < 2:
        return None, "it did not tell its version"
    found = outcome.tail[-2]
    if found != version:
        return None, f"it is Python {found}"
    # The launcher may depend on the working directory; the executable behind it does not.
    return Path(outcome.tail[-1]), ""


def _candidates(version: str, variable: str | None) -> Iterator[tuple[str, Path]]:
    named = os.environ.get(variable, "") if variable else ""
    if named:
        yield f"${variable}", Path(named).expanduser()
        return
    uv = uv_command()
    if uv is not None:
        outcome = _quiet([*uv, "python", "find", version])
        if outcome.ok and outcome.tail:
            yield "uv python find", Path(outcome.tail[-1])
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for python in sorted(root.glob(f"versions/{version}.*/bin/python"), reverse=True):
        yield "pyenv", python
    for folder in os.get_exec_path():
        python = Path(folder) / f"python{version}"
        if python.is_file():
            yield "PATH", python


def _quiet(command: list[str | Path]) -> Outcome:
    return run(command, timeout_s=_PROBE_TIMEOUT_S, say=lambda _: None, cwd=Path("/"))
