"""``neurorobust diff``: where two networks part that should be one, and why."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurorobust.cli import options
from neurorobust.cli.console import console, print_json
from neurorobust.cli.inputs import if_named

if TYPE_CHECKING:
    from neurorobust.data import Source
    from neurorobust.formats.reading import Reading


@options.reads()
@options.shows(limit=64)
def diff(
    a: Annotated[str, typer.Argument(help="A file, or file@backend:rung, as m@lava:quantised.")],
    b: Annotated[str, typer.Argument(help="Likewise.")],
    samples: Annotated[
        int, typer.Option(help="Random samples, and as many that make ties.", min=0)
    ] = 32,
    ulps: Annotated[
        float, typer.Option(help="Rounding steps of a layer's largest number that are rounding.")
    ] = 256.0,
    profile: Annotated[
        str, typer.Option(help="Target that a Graph is lowered to for the rung quantised.")
    ] = "loihi2",
    reproducer: Annotated[
        Path | None, typer.Option(help="Write the smallest input on which they part, .npz.")
    ] = None,
    html: options.Html = None,
    as_json: options.AsJson = False,
    *,
    reading: "Reading",
    data: "Source",
) -> None:
    """Drive two networks with the same inputs; say where they part, by how much, and why.

    Data are shown beside random samples; --steps replaces the steps that files say.

    Exit code 0: they agree, up to rounding. 1: they differ. 2: they cannot be compared.
    """
    from neurorobust.api import diff as compare
    from neurorobust.cli.stages import stages
    from neurorobust.compare.html import write_page
    from neurorobust.compare.text import print_difference

    found = compare(
        a,
        b,
        if_named(data),
        samples=samples,
        seed=data.seed,
        ulps=ulps,
        **reading.said,
        profile=profile,
        stages=stages(as_json=True),
    )
    if html is not None:
        write_page(found, html)
    if reproducer is not None and not found.agree:
        found.save_reproducer(reproducer)
    if as_json:
        print_json(found.as_json())
    else:
        print_difference(console, found)
    if not found.agree:
        raise typer.Exit(1)
