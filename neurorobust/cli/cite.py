"""``neurorobust cite``: BibTeX of what was used."""

import json
from typing import Annotated

import typer

from neurorobust.cli.console import command, errors


@command
def cite(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help="Attacks, gradients, backends, data sets, chips, 'audit'; attack sets or folders."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """Print BibTeX of this package, of the methods named, and of those used in attack sets.

    A word that is a name is never a folder; write ./digits for the folder.
    """
    from neurorobust.references import cite as chosen

    references, uncited = chosen(what or [])
    if as_json:
        typer.echo(json.dumps([reference.as_json() for reference in references], indent=2))
    else:
        typer.echo("\n\n".join(reference.bibtex for reference in references))
    for name in uncited:
        errors.print(f"no entry for {name}; cite where it is from", markup=False, soft_wrap=True)
