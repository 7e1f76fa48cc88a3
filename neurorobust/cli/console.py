"""Printing, and turning errors into one clear message and an exit code."""

import functools
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec

import typer
from rich.console import Console

from neurorobust.asking import speaking_options
from neurorobust.errors import NeurorobustError
from neurorobust.render import console as terminal

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)
say = functools.partial(terminal.say, console)
complain = functools.partial(terminal.say, errors)

P = ParamSpec("P")


def command(function: Callable[P, None], code: int | None = None) -> Callable[P, None]:
    """An error raised on purpose ends the command with its message and an exit code.

    Args:
        function: What the command does.
        code: Of every error, where the error's own would say something else here.
    """

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with speaking_options():
                function(*args, **kwargs)
        except NeurorobustError as error:
            complain("error:", style="bold red", end=" ")
            complain(str(error))
            raise typer.Exit(error.exit_code if code is None else code) from error
        except KeyboardInterrupt as error:
            errors.print("interrupted; what was finished is kept and reused by the next run")
            raise typer.Exit(130) from error

    return guarded


def print_json(value: Any) -> None:
    """A value on the standard output, as JSON that every reader takes."""
    typer.echo(json.dumps(value, indent=2))


def print_file(path: Path, what: str = "Written") -> None:
    """Where something was written."""
    say(f"{what}: {path.resolve()}")


def command_line() -> str:
    """What was typed."""
    return shlex.join(["neurorobust", *sys.argv[1:]])
