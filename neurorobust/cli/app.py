"""``neurorobust``: the commands."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from neurorobust.cli import env
from neurorobust.cli.attack import attack
from neurorobust.cli.audit import audit
from neurorobust.cli.check import check
from neurorobust.cli.cite import cite
from neurorobust.cli.console import command, console
from neurorobust.cli.diff import diff
from neurorobust.cli.doctor import doctor
from neurorobust.cli.export import export
from neurorobust.cli.import_ import import_
from neurorobust.cli.lower import lower
from neurorobust.cli.neurobench import neurobench
from neurorobust.cli.quantise import quantise

app = typer.Typer(
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(env.app, name="env")
app.command()(attack)
app.command()(audit)
app.command()(check)
app.command()(cite)
app.command()(diff)
app.command()(doctor)
app.command()(export)
app.command(name="import")(import_)
app.command()(lower)
app.command()(neurobench)
app.command()(quantise)


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,  # noqa: FBT002
) -> None:
    """What happens to a spiking network, and to attacks on it, on the way to a chip."""
    if version:
        from neurorobust import __version__

        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command()
@command
def demo(
    out: Annotated[Path, typer.Option(help="Folder for models, attacks, results, report.")] = Path(
        "neurorobust-demo"
    ),
    seed: Annotated[
        int, typer.Option(help="Of split, weights, batches and attacks.", min=0, max=2**32 - 1)
    ] = 0,
) -> None:
    """Train, lower, attack and replay a small network on real digits; write report.html."""
    from neurorobust.cli.stages import ConsoleStages
    from neurorobust.study.demo import run_demo
    from neurorobust.study.transfer import print_summary

    made = run_demo(
        out, ConsoleStages(console), seed=seed, command=shlex.join(["neurorobust", *sys.argv[1:]])
    )
    print_summary(console, out)
    for lane in made.closed:
        if str(lane.lane) == "lava quantised":
            console.print(f"\nReal Lava did not run: {lane.reason}", soft_wrap=True)
    console.print(f"\nReport: {made.report.resolve()}", soft_wrap=True, highlight=False)


@app.command()
@command
def report(
    folder: Annotated[Path, typer.Argument(help="A results folder, as a run leaves it.")],
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Write report.html anew from the results in a folder."""
    from neurorobust.study.transfer import print_summary, write_report

    path = write_report(folder)
    if as_json:
        typer.echo(json.dumps({"report": str(path)}))
        return
    print_summary(console, folder)
    console.print(f"\nReport: {path.resolve()}", soft_wrap=True, highlight=False)


@app.command()
@command
def backends(as_json: AsJson = False) -> None:  # noqa: FBT002
    """Show what every backend can run, and the reason for everything that it cannot."""
    from neurorobust.cli.support import print_support, support_table

    table = support_table()
    if as_json:
        typer.echo(json.dumps(table, indent=2))
    else:
        print_support(console, table)
