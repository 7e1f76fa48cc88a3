"""``neurorobust study``: how far a study is, what failed, and putting folders together."""

from pathlib import Path
from typing import Annotated

import typer

from neurorobust.cli import options
from neurorobust.cli.console import command, print_file, print_json, say

app = typer.Typer(
    help="How far a study is, what failed in it, and merging folders.", no_args_is_help=True
)
Folder = Annotated[Path, typer.Argument(help="Folder of a study.")]


def status(folder: Folder, as_json: options.AsJson = False) -> None:
    """Show how many cells have ended how, what is at work, and what is left.

    Exit code 0: nothing failed. 1: cells failed. 2: it is no study.
    """
    from neurorobust.render.looks import duration
    from neurorobust.study import running

    found = running.status(folder)
    if as_json:
        print_json(found)
    else:
        for kind, states in found["cells"].items():
            say(f"{kind}: {', '.join(f'{count} {state}' for state, count in states.items())}")
        for work in found["at_work"]:
            say(f"  at work: {work}")
        say(f"{found['open']} open, about {duration(found['left_s'])} of CPU time")
        for failed in found["failed"]:
            say(f"failed: {failed['what']} ({failed['cell']}): {failed['reason']}")
    if found["failed"]:
        raise typer.Exit(1)


def failed(folder: Folder, as_json: options.AsJson = False) -> None:
    """List cells that failed, and why.

    Exit code 0: there are none. 1: there are. 2: it is no study.
    """
    from neurorobust.study import running

    found = running.status(folder)["failed"]
    if as_json:
        print_json(found)
    else:
        for cell in found:
            say(f"{cell['cell']} {cell['what']}, {cell['attempts']} attempts: {cell['reason']}")
        if not found:
            say("no cell failed")
    if found:
        raise typer.Exit(1)


def retry(
    folder: Folder,
    cells: Annotated[
        list[str] | None, typer.Argument(help="Which; all that failed by default.")
    ] = None,
) -> None:
    """Forget failed cells, so that the next run tries them again."""
    from neurorobust.study import running

    say(f"{running.retry(folder, cells or ())} cell(s) will be tried again by the next run")


def merge(
    folder: Folder,
    others: Annotated[list[Path], typer.Argument(help="Folders to take results from.")],
) -> None:
    """Take over finished cells of other folders; the same cell with another result is an error."""
    from neurorobust.study import running

    say(f"{running.merge(folder, others)} new cell(s); run the study again to write its tables")


def report(folder: Folder) -> None:
    """Write tables and page of a study, whether it has come to its end or not."""
    from neurorobust.study import running

    print_file(running.report(folder, anew=True), "Report")


for function in (status, failed, retry, merge, report):
    app.command()(command(function, 2))
