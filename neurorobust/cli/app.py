"""``neurorobust``: the commands."""

from typing import Annotated

import typer

from neurorobust.cli import env, study
from neurorobust.cli.attack import attack
from neurorobust.cli.audit import audit
from neurorobust.cli.backends import backends
from neurorobust.cli.check import check
from neurorobust.cli.cite import cite
from neurorobust.cli.completion import completed
from neurorobust.cli.console import command
from neurorobust.cli.demo import demo, report
from neurorobust.cli.diff import diff
from neurorobust.cli.doctor import doctor
from neurorobust.cli.export import export
from neurorobust.cli.import_ import import_
from neurorobust.cli.lower import lower
from neurorobust.cli.neurobench import neurobench
from neurorobust.cli.quantise import quantise
from neurorobust.cli.run import replay, run
from neurorobust.render.console import take_any_text

take_any_text()
app = typer.Typer(pretty_exceptions_enable=False)
app.add_typer(env.app, name="env")
app.add_typer(study.app, name="study")
# An error ends a command with its own code where "no form there" is an answer, and otherwise with
# one code, which is 2 where 1 means something else.
for function, code in (
    (run, 2),
    (replay, 2),
    (attack, 2),
    (audit, 2),
    (check, 2),
    (cite, 1),
    (diff, 2),
    (doctor, 2),
    (export, None),
    (import_, 2),
    (lower, None),
    (neurobench, 2),
    (quantise, 2),
    (demo, 2),
    (report, 2),
    (backends, 1),
):
    app.command(name=function.__name__.strip("_"))(command(completed(function), code))


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """What happens to a spiking network, and to attacks on it, on the way to a chip."""
    if version:
        from neurorobust import __version__

        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
