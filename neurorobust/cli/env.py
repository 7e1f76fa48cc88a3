"""``neurorobust env``: the environments of out-of-process backends."""

from typing import Annotated

import typer

from neurorobust.cli import options
from neurorobust.cli.completion import completed
from neurorobust.cli.console import command, print_json, say

app = typer.Typer(help="Environments of backends that need their own Python.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Environment or tier: lava, lava-dl.")]


def build(name: Name) -> None:
    """Build an environment, unless it is there."""
    from neurorobust.backends.worker import environments

    spec, tier = environments.find(name)
    found = environments.build(spec, tier, say)
    say(f"{name}: {found.state}, {found.detail}")


def status(
    name: Annotated[str | None, typer.Argument(help="Environment; all by default.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Tell where environments stand."""
    from neurorobust.backends.worker import environments

    every = ((spec, tier.name) for spec in environments.registered() for tier in spec.tiers)
    rows = []
    for spec, tier in [environments.find(name)] if name else every:
        found = environments.status(spec, tier)
        rows.append(
            {
                "tier": tier,
                "state": found.state,
                "folder": str(found.folder),
                "python": str(found.python) if found.python else None,
                "detail": found.detail,
                "holds": spec.tier(tier).summary,
            }
        )
    if as_json:
        print_json(rows)
        return
    for row in rows:
        say(f"{row['tier']}: {row['state']} ({row['holds']}); {row['detail']}")


def path(name: Name) -> None:
    """Print the folder of an environment, whether it exists or not."""
    from neurorobust.backends.worker import environments

    typer.echo(environments.path(*environments.find(name)))


def remove(name: Name) -> None:
    """Remove an environment that was built here."""
    from neurorobust.backends.worker import environments

    spec, tier = environments.find(name)
    gone = environments.remove(spec, tier)
    say(f"{name}: {'removed' if gone else 'was not built'}")


for function in (build, status, path, remove):
    app.command()(command(completed(function), 1))
