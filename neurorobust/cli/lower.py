"""``neurorobust lower``: a Graph file becomes a Program file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.table import Table

from neurorobust.cli.console import console, errors
from neurorobust.errors import LowerError, NeurorobustError

if TYPE_CHECKING:
    from neurorobust.chips.arithmetic import InputCoding
    from neurorobust.ir import Program
    from neurorobust.lower.population.scaling import Scaling

REFUSED, CANNOT = 1, 2
"""Exit codes: the network has no form on the target; something given cannot be read or used."""
_SHOWN = {
    "layer": "layer",
    "scale": "scale",
    "limited_by": "limited by",
    "weight_bits_used": "bits",
    "weight_exponent": "exponent",
    "weight_snr_db": "SNR (dB)",
    "dead_neurons": "dead",
    "cores": "cores",
}
_MEASURED = {
    "layer": "layer",
    "rate_float": "rate, float",
    "rate_integer": "rate, integer",
    "spike_agreement": "spikes agree",
    "decision_agreement": "decisions agree",
}
"""Columns of the report on the console, where any layer has them."""


def lower(  # noqa: PLR0917  # options are passed by name
    model: Annotated[Path, typer.Argument(help="A saved Graph.")],
    profile: Annotated[str, typer.Option(help="Target: name or file of a profile.")],
    out: Annotated[Path, typer.Option(help="File of the Program.")],
    scaling: Annotated[
        str, typer.Option(help="max_abs, percentile, mse or spikes (needs --calibration).")
    ] = "max_abs",
    percentile: Annotated[float, typer.Option(help="Of the rule percentile.")] = 99.9,
    weight_bits: Annotated[
        int | None, typer.Option(help="Bits of a weight; the profile's by default.")
    ] = None,
    decay_bits: Annotated[
        int | None, typer.Option(help="Bits of a decay; the profile's by default.")
    ] = None,
    input_coding: Annotated[
        str | None,
        typer.Option(help="graded, bias or host; the profile's first by default."),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help=".npy or .npz (array 'samples'): compare on them, and choose by them."),
    ] = None,
    net: Annotated[Path | None, typer.Option(help="Also write it as a netx file (.net).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """Turn a network into a chip's integers and show what that did, layer by layer.

    Exit code 0: written. 1: the network has no form on the target. 2: it cannot be done as asked.
    """
    options = {
        "scaling": cast("Scaling", scaling),  # a Rule refuses other names
        "percentile": percentile,
        "weight_bits": weight_bits,
        "decay_bits": decay_bits,
        "input_coding": cast("InputCoding | None", input_coding),
    }
    try:
        program = _lowered(model, profile, calibration, options)
        from neurorobust.ir import save_model

        if net is not None:
            from neurorobust.formats.netx import save_netx

            save_netx(program, net)
        save_model(program, out)
    except NeurorobustError as error:
        errors.print("error:", style="bold red", end=" ")
        errors.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(REFUSED if isinstance(error, LowerError) else CANNOT) from error
    if as_json:
        written = {"program": str(out), "net": None if net is None else str(net)}
        typer.echo(json.dumps(written | {"report": program.report}, indent=2))
        return
    console.print(_table(program.report, _SHOWN))
    if calibration is not None:
        console.print(_table(program.report, _MEASURED))
    for row in program.report:
        if row.get("passes"):
            console.print(f"  {row['layer']}: {row['passes']}", markup=False, soft_wrap=True)
    for path in (out, net):
        if path is not None:
            console.print(f"Written: {path.resolve()}", markup=False, soft_wrap=True)


def _lowered(
    path: Path, profile: str, calibration: Path | None, options: dict[str, Any]
) -> "Program":
    from neurorobust.chips import load_profile
    from neurorobust.data import load as load_samples
    from neurorobust.errors import InvalidInput
    from neurorobust.fit import with_cores
    from neurorobust.formats.load import load
    from neurorobust.ir import Graph, Program
    from neurorobust.lower import lower as run

    target = load_profile(profile).profile
    graph = load(path)
    if not isinstance(graph, Graph):
        msg = f"{path} holds a Program already; lower the Graph that it came from"
        raise InvalidInput(msg)
    samples = None if calibration is None else load_samples(calibration).values
    program = run(graph, target, calibration=samples, **options)
    if not isinstance(program, Program):
        msg = f"{target.id} has no integers, so there is no Program; lower for another profile"
        raise InvalidInput(msg)
    return with_cores(program, target)


def _table(report: list[dict[str, Any]], columns: dict[str, str]) -> Table:
    table = Table(box=None, pad_edge=True, padding=(0, 2, 0, 0))
    known = [key for key in columns if any(row.get(key) is not None for row in report)]
    for key in known:
        left = key in {"layer", "limited_by"}
        table.add_column(columns[key], justify="left" if left else "right", overflow="fold")
    for row in report:
        table.add_row(*(_cell(row.get(key)) for key in known))
    return table


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
