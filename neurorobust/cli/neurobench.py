"""``neurorobust neurobench``: NeuroBench's metrics of a network on samples."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurorobust.cli import options
from neurorobust.cli.console import console, print_json, say
from neurorobust.cli.inputs import models_of, samples_of
from neurorobust.render.console import table

if TYPE_CHECKING:
    from neurorobust.data import Source
    from neurorobust.formats.reading import Reading
    from neurorobust.metrics.neurobench import Counts


@options.reads()
@options.shows(limit=128)
def neurobench(
    model: options.Model,
    batch: Annotated[
        int, typer.Option(help="Samples per call; NeuroBench's MACs depend on it.", min=1)
    ] = 32,
    out: Annotated[Path, typer.Option(help="Folder of the built-in model.")] = Path(
        "neurorobust-neurobench"
    ),
    as_json: options.AsJson = False,
    *,
    reading: "Reading",
    data: "Source",
) -> None:
    """Count operations, activity, connections and memory, as NeuroBench does and by the event.

    Ends with 2 if it cannot be done.
    """
    from neurorobust.cli.stages import stages
    from neurorobust.metrics.neurobench import count

    told, samples, seed = stages(as_json), samples_of(data, model), data.seed
    (network,) = models_of([model], reading, samples, stages=told, folder=out, seed=seed)
    values = samples.shown_to(network).values
    with told.stage("Run and count") as progress:
        counts = count(network, values, batch=batch, seed=seed, progress=progress)
    if as_json:
        print_json(counts.as_json())
    else:
        _print(counts)


def _print(counts: "Counts") -> None:
    """One row per layer, the whole, and what is no operation."""
    kinds = ("MACs, by call", "ACs, by call", "dense", "MACs, by event", "ACs, by event")
    shown = table("layer", *kinds, right=kinds, title="Synaptic operations per sample")
    rows = [(name, layer.by_call, layer.by_event) for name, layer in counts.layers.items()]
    for name, call, event in [*rows, ("all", counts.by_call, counts.by_event)]:
        done = (call.macs, call.acs, call.dense, event.macs, event.acs)
        shown.add_row(name, *(f"{number / counts.samples:,.1f}" for number in done))
    console.print(shown)
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
        say(f"{name}: {value}")
