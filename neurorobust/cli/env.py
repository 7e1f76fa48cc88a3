"""``neurorobust env``: the environments of out-of-process backends."""

import json
from typing import Annotated

import typer

from neurorobust.cli.console import command, console

app = typer.Typer(help="Environments of backends that need their own Python.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Environment or tier: lava, lava-dl.")]


@app.command()
@command
def build(name: Name) -> None:
    """Build an environment, unless it is there."""
    from neurorobust.backends.worker import environments

    spec, tier = environments.find(name)
    found = environments.build(spec, tier, lambda line: console.print(line, markup=False))
    console.print(f"{name}: {found.state}, {found.detail}", markup=False, soft_wrap=True)


@app.command()
@command
def status(
    name: Annotated[str | None, typer.Argument(help="Environment; all by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """Tell where environments stand."""
    from neurorobust.backends.worker import environments

    specs = environments.registered()
    wanted = (
        [environments.find(name)]
        if name
        else [(spec, tier.name) for spec in specs for tier in spec.tiers]
    )
    rows = []
    for spec, tier in wanted:
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
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        line = f"{row['tier']}: {row['state']} ({row['holds']}); {row['detail']}"
        console.print(line, markup=False, soft_wrap=True)


@app.command()
@command
def path(name: Name) -> None:
    """Print the folder of an environment, whether it exists or not."""
    from neurorobust.backends.worker import environments

    typer.echo(environments.path(*environments.find(name)))


@app.command()
@command
def remove(name: Name) -> None:
    """Remove an environment that was built here."""
    from neurorobust.backends.worker import environments

    spec, tier = environments.find(name)
    gone = environments.remove(spec, tier)
    console.print(f"{name}: {'removed' if gone else 'was not built'}", markup=False)
