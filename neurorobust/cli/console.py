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
from neurorobust.files import write_atomic
from neurorobust.render import console as terminal

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)
say = functools.partial(terminal.say, console)
complain = functools.partial(terminal.say, errors)

P = ParamSpec("P")


def command(function: Callable[P, None], code: int | None = None) -> Callable[P, None]:
    """An error raised on purpose ends the command with its message and an exit code.

    Any other is a fault of the program: one line says so and where its report lies.

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
            complain("interrupted; what was finished is kept and reused by the next run")
            raise typer.Exit(130) from error
        except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
            raise
        except MemoryError as error:
            complain("error:", style="bold red", end=" ")
            complain("the memory does not suffice; give fewer samples or a smaller network")
            raise typer.Exit(2) from error
        except Exception as error:
            complain("error:", style="bold red", end=" ")
            complain(_fault(error))
            raise typer.Exit(2) from error

    return guarded


def _fault(error: Exception) -> str:
    """One line for an error that nobody raised on purpose, and a file for those who mend it."""
    import platform
    import secrets
    import tempfile
    import traceback
    from importlib.metadata import version

    shown = "".join(traceback.format_exception_only(error)).strip().splitlines() or [""]
    line = f"this is a fault of neurorobust, not of what it was given: {shown[-1]}"
    installed = {name: version(name) for name in ("neurorobust", "numpy", "torch", "typer")}
    about = {"command": command_line(), "python": sys.version, "system": platform.platform()}
    head = "\n".join(f"{name}: {value}" for name, value in (about | installed).items())
    report = f"{head}\n\n{''.join(traceback.format_exception(error))}"
    folder = Path(tempfile.gettempdir())
    try:
        path = write_atomic(folder / f"neurorobust-fault-{secrets.token_hex(4)}.txt", report)
    except NeurorobustError:
        return f"{line}\n{report}"
    return f"{line}; what to send with a report of it is in {path}"


def print_json(value: Any) -> None:
    """A value on the standard output, as JSON that every reader takes."""
    typer.echo(json.dumps(value, indent=2))


def print_file(path: Path, what: str = "Written") -> None:
    """Where something was written."""
    say(f"{what}: {path.resolve()}")


def command_line() -> str:
    """What was typed."""
    return shlex.join(["neurorobust", *sys.argv[1:]])
