"""Commands as people run them: in this process, or in one of their own."""

import os
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess

from typer.testing import CliRunner

from neurorobust.cli import app

FAULT = "this is a fault of neurorobust"
"""What a command says of an error that nobody raised on purpose; no test may take it for a no."""


def invoke(*arguments: object, **environment: str):
    """``neurorobust`` in this process."""
    done = CliRunner().invoke(app, [*map(str, arguments)], env=environment)
    assert FAULT not in done.output, done.output
    return done


def python(*arguments: object, folder: Path | None = None, **environment: str) -> CompletedProcess:
    """Python in a process and, where one is given, a folder of its own."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def neurorobust(*arguments: object, **environment: str) -> CompletedProcess:
    """``neurorobust`` in a process of its own."""
    done = python("-m", "neurorobust", *arguments, **environment)
    assert FAULT not in done.stderr, done.stderr
    return done
