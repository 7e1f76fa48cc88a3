"""Progress: a live bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from neurorobust.cli.console import console, errors
from neurorobust.render.console import say, visible

PLAIN_S = 60.0
"""Between two lines of progress where there is no terminal."""


class ConsoleStages:
    """Shows the stages of a job.

    Args:
        console: Where to print.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[str, int, int], None]]:
        """A stage with its progress; ends with one line that says how long it took."""
        start = time.perf_counter()
        if self._console.is_terminal:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
            )
            with Progress(*columns, console=self._console, transient=True) as bar:
                task = bar.add_task(visible(name), total=None)

                def advance(what: str, done: int, total: int) -> None:
                    shown = visible(f"{name}: {what}")
                    bar.update(task, description=shown, completed=done, total=total)

                yield advance
        else:
            say(self._console, f"{name} ...")
            said = start

            def tell(what: str, done: int, total: int) -> None:
                nonlocal said
                if time.perf_counter() - said > PLAIN_S:
                    said = time.perf_counter()
                    say(self._console, f"  {done} of {total}: {what}")

            yield tell
        say(self._console, f"{name}: {time.perf_counter() - start:.1f} s")


def stages(as_json: bool = False) -> ConsoleStages:
    """Of a command; they make way for JSON on the standard output."""
    return ConsoleStages(errors if as_json else console)
