"""``neurorobust neurobench``: NeuroBench's metrics of a network on samples."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurorobust.cli.console import command, console, errors
from neurorobust.cli.inputs import model_of, source_of

if TYPE_CHECKING:
    from neurorobust.metrics.neurobench import Counts


@partial(command, code=2)
def neurobench(  # noqa: PLR0917  # options are passed by name
    model: Annotated[str, typer.Argument(help="A saved Graph or Program, or digits.")],
    data: Annotated[
        str | None,
        typer.Option(help="Folder of image Parquet files, .npz with x and y, or digits."),
    ] = None,
    first: Annotated[int, typer.Option(help="Index of the first sample.", min=0)] = 0,
    limit: Annotated[int, typer.Option(help="Number of samples.", min=1)] = 128,
    batch: Annotated[
        int, typer.Option(help="Samples per call; NeuroBench's MACs depend on it.", min=1)
    ] = 32,
    out: Annotated[Path, typer.Option(help="Folder of the built-in model.")] = Path(
        "neurorobust-neurobench"
    ),
    seed: Annotated[
        int, typer.Option(help="Of the digits and of drawn input.", min=0, max=2**32 - 1)
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """Count operations, activity, connections and memory, as NeuroBench does and by the event.

    Ends with 2 if it cannot be done.
    """
    from neurorobust.cli.stages import ConsoleStages
    from neurorobust.data import load
    from neurorobust.metrics.neurobench import count

    source = source_of(data, model)
    stages = ConsoleStages(errors if as_json else console)
    network = model_of(model, out, seed, stages)
    samples = load(source, first=first, limit=limit, seed=seed)
    with stages.stage("Run and count") as progress:
        counts = count(network, samples.values, batch=batch, seed=seed, progress=progress)
    if as_json:
        typer.echo(json.dumps(counts.as_json(), indent=2))
    else:
        _print(counts)


def _print(counts: "Counts") -> None:
    """One row per layer, the whole, and what is no operation."""
    from rich.table import Table

    table = Table(title="Synaptic operations per sample", title_justify="left")
    table.add_column("layer")
    for title in ("MACs, by call", "ACs, by call", "dense", "MACs, by event", "ACs, by event"):
        table.add_column(title, justify="right")
    rows = [(name, layer.by_call, layer.by_event) for name, layer in counts.layers.items()]
    for name, call, event in [*rows, ("all", counts.by_call, counts.by_event)]:
        done = (call.macs, call.acs, call.dense, event.macs, event.acs)
        table.add_row(name, *(f"{number / counts.samples:,.1f}" for number in done))
    console.print(table)
    memory, links, active = counts.footprint, counts.connections, counts.activations
    updates = f"{counts.membrane_updates / counts.samples:,.1f}"
    for name, value in (
        ("samples", f"{counts.samples} of {counts.steps} steps, {counts.batch} per call"),
        ("activation sparsity", f"{active.sparsity:.6f} ({active.nonzero} of {active.values})"),
        ("connection sparsity", f"{links.sparsity:.4f} ({links.zeros} of {links.weights} are 0)"),
        ("membrane updates per sample", updates),
        ("parameters", f"{memory.parameters:,} in {memory.parameter_bytes:,} bytes"),
        ("state of a sample", f"{memory.state_bytes:,} bytes"),
    ):
        console.print(f"{name}: {value}", markup=False, soft_wrap=True)
