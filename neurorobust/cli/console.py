"""Printing, and turning errors into one clear message and an exit code."""

import functools
from collections.abc import Callable
from typing import ParamSpec

import typer
from rich.console import Console

from neurorobust.errors import NeurorobustError

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

P = ParamSpec("P")


def command(function: Callable[P, None], *, code: int = 1) -> Callable[P, None]:
    """An error raised on purpose ends the command with its message and an exit code."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except NeurorobustError as error:
            errors.print("error:", style="bold red", end=" ")
            errors.print(str(error), markup=False, soft_wrap=True)
            raise typer.Exit(code) from error
        except KeyboardInterrupt as error:
            errors.print("interrupted; what was finished is kept and reused by the next run")
            raise typer.Exit(130) from error

    return guarded
