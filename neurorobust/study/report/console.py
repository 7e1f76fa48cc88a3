"""The answer in the terminal; plain lines where there is none."""

from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text

from neurorobust.render import console as terminal
from neurorobust.render.numbers import Entry
from neurorobust.study.folder import read
from neurorobust.study.report import agree
from neurorobust.study.report.answer import answer
from neurorobust.study.report.sections import causes
from neurorobust.study.report.transfer import transfers
from neurorobust.study.report.view import View
from neurorobust.study.report.worst import WorstRow, worst_rows


def print_summary(console: Console, folder: Path | str) -> None:
    """Print what was asked, what was found, the worst case, and what did not run.

    Raises:
        InvalidFile: if the folder is not whole.
    """
    view = View(read(folder))
    say = partial(terminal.say, console)
    told = answer(view, transfers(view), agree.pairs(view))
    say(view.manifest.title, style="bold")
    if told.question:
        say(told.question)
    for sentence in told.headline.sentences:
        say(f"· {sentence}")
    for weight, warning in told.warnings:
        say(f"! {warning}", style="red" if weight == "bad" else "yellow")
    rows = worst_rows(view)
    if rows:
        _worst(console, view, rows)
    for cause in causes(view):
        say(f"\n{cause.status}: {', '.join(cause.what)}")
        say(f"  {cause.reason}")
    for failure in view.manifest.failures:
        say(f"\n{failure.status}: {failure.what}")
        say(f"  {failure.reason}")


def _worst(console: Console, view: View, rows: tuple[WorstRow, ...]) -> None:
    radii = [view.radius(radius) for radius in view.radii]
    say = partial(terminal.say, console)
    title = "Right when clean, and in the worst case over all attacks" if radii else "Right"
    say(f"\n{title}", style="bold")
    several = len({row.model for row in rows}) > 1
    if not console.is_terminal:
        for row in rows:
            named = [row.model] * several + [row.arithmetic, row.backends]
            parts = [f"clean {_plain(row.clean)}"]
            parts += [
                f"{radius} {_plain(cell)}"
                for radius, cell in zip(radii, row.worst, strict=True)
                if cell.text
            ]
            say(f"{' · '.join(named)}: {', '.join(parts)}")
        return
    heads = ["clean", *radii]
    names = ["network"] * several + ["arithmetic", "backends", "n", *heads]
    grid = terminal.table(*names, right=["n", *heads], **terminal.QUIET)
    for row in rows:
        label = Text("● ", style=row.colour) + Text(row.backends, style="default")
        own = [Text(text) for text in [row.model] * several + [row.arithmetic]]
        cells = [_cell(cell) for cell in (row.clean, *row.worst)]
        grid.add_row(*own, label, str(row.n), *cells)
    console.print(grid)
    say("Second lines: Wilson 95 % intervals.", style="dim")


def _plain(entry: Entry) -> str:
    return f"{entry.text} ({entry.interval}; {entry.counts})" if entry.interval else entry.text


def _cell(entry: Entry) -> Text:
    if not entry.text:
        return Text("–", style="dim")
    small = f"\n{entry.interval}" if entry.interval else ""
    return Text.assemble(entry.text, (small, "dim"))
