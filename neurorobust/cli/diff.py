"""``neurorobust diff``: where two networks part that should be one, and why."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from neurorobust.cli import options
from neurorobust.cli.console import console, print_json

if TYPE_CHECKING:
    from neurorobust.ir.neurons import ResetMode


def diff(
    a: Annotated[str, typer.Argument(help="A file, or file@backend:rung, as m@lava:quantised.")],
    b: Annotated[str, typer.Argument(help="Likewise.")],
    inputs: Annotated[
        str | None,
        typer.Option(help="Real samples: .npy, .npz, a folder of image Parquet files, or digits."),
    ] = None,
    limit: Annotated[int, typer.Option(help="Most real samples.", min=1)] = 64,
    samples: Annotated[
        int, typer.Option(help="Random samples, and as many that make ties.", min=0)
    ] = 32,
    steps: Annotated[int | None, typer.Option(help="Time steps of a sample.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Of the random samples.", min=0)] = 0,
    dt: Annotated[
        float | None, typer.Option(help=".nir files: duration of a step in seconds.")
    ] = None,
    reset: Annotated[
        str | None, typer.Option(help=".nir files, which do not say: hard, soft or none.")
    ] = None,
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
) -> None:
    """Drive two networks with the same inputs; say where they part, by how much, and why.

    Exit code 0: they agree, up to rounding. 1: they differ. 2: they cannot be compared.
    """
    from neurorobust.api import diff as compare
    from neurorobust.cli.stages import stages
    from neurorobust.compare.html import write_page
    from neurorobust.compare.text import print_difference
    from neurorobust.data import load
    from neurorobust.formats.load import Reading

    found = compare(
        a,
        b,
        None if inputs is None else load(inputs, limit=limit, seed=seed).values,
        samples=samples,
        steps=steps,
        seed=seed,
        ulps=ulps,
        reading=Reading(steps=steps, dt_s=dt, reset=cast("ResetMode | None", reset)),
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
