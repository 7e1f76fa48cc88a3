"""``neurorobust cite``: BibTeX of what was used."""

from typing import Annotated

import typer

from neurorobust.cli import options
from neurorobust.cli.console import complain, print_json


def cite(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help="Attacks, gradients, backends, data sets, chips, 'audit'; attack sets or folders."
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Print BibTeX of this package, of the methods named, and of those used in attack sets.

    A word that is a name is never a folder; write ./digits for the folder.
    """
    from neurorobust.references import cite as chosen

    references, uncited = chosen(what or [])
    if as_json:
        print_json([reference.as_json() for reference in references])
    else:
        typer.echo("\n\n".join(reference.bibtex for reference in references))
    for name in uncited:
        complain(f"no entry for {name}; cite where it is from")
