"""``neurorobust demo`` and ``report``: the whole way in one command, and its page."""

from pathlib import Path
from typing import Annotated

import typer

from neurorobust.cli import options
from neurorobust.cli.console import command_line, console, print_file, print_json


def demo(
    out: Annotated[Path, typer.Option(help="Folder for models, attacks, results, report.")] = Path(
        "neurorobust-demo"
    ),
    seed: Annotated[int, options.seed("Of split, weights, batches and attacks.")] = 0,
) -> None:
    """Train, lower, attack and replay a small network on real digits; write report.html."""
    from neurorobust.cli.stages import stages
    from neurorobust.study.demo import run_demo
    from neurorobust.study.transfer import print_summary

    made = run_demo(out, stages(), seed=seed, command=command_line())
    print_summary(console, out)
    for lane in made.closed:
        if str(lane.lane) == "lava quantised":
            console.print(f"\nReal Lava did not run: {lane.reason}", soft_wrap=True)
    print_file(made.report, "\nReport")


def report(
    folder: Annotated[Path, typer.Argument(help="A results folder, as a run leaves it.")],
    as_json: options.AsJson = False,
) -> None:
    """Write report.html anew from the results in a folder."""
    from neurorobust.study.transfer import print_summary, write_report

    path = write_report(folder)
    if as_json:
        print_json({"report": str(path)})
        return
    print_summary(console, folder)
    print_file(path, "\nReport")
