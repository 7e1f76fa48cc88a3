"""``neurorobust lower``: a Graph file becomes a Program file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurorobust.cli import options
from neurorobust.cli.console import console, print_file, print_json, say
from neurorobust.cli.inputs import calibration_of, models_of
from neurorobust.errors import InvalidInput, Unsupported
from neurorobust.render.console import table

if TYPE_CHECKING:
    from rich.table import Table

    from neurorobust.data import Source
    from neurorobust.formats.reading import Reading

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


@options.reads()
@options.shows(without=("name", "part", "first", "limit"))
def lower(
    model: options.Model,
    profile: options.Target,
    out: Annotated[Path, typer.Option(help="File of the Program.")],
    scaling: Annotated[
        str, typer.Option(help="max_abs, percentile, mse or spikes (needs --calibration).")
    ] = "max_abs",
    percentile: options.Percentile = 99.9,
    weight_bits: Annotated[
        int | None, typer.Option(help="Bits of a weight; the profile's by default.")
    ] = None,
    decay_bits: Annotated[
        int | None, typer.Option(help="Bits of a decay; the profile's by default.")
    ] = None,
    input_coding: options.InputCoding = None,
    calibration: options.Calibration = None,
    calibration_limit: options.CalibrationLimit = 128,
    net: Annotated[Path | None, typer.Option(help="Also write it as a netx file (.net).")] = None,
    as_json: options.AsJson = False,
    *,
    reading: "Reading",
    data: "Source",
) -> None:
    """Turn a network into a chip's integers and show what that did, layer by layer.

    Exit code 0: written. 1: the network has no form on the target. 2: it cannot be done as asked.
    """
    from neurorobust import api
    from neurorobust.chips import load_profile
    from neurorobust.cli.stages import stages
    from neurorobust.fit import with_cores
    from neurorobust.ir import Graph, save_model

    target = load_profile(profile).profile
    held = calibration_of(calibration, calibration_limit, data)
    graph = models_of([model], reading, held, stages=stages(as_json=True), seed=data.seed)[0]
    if not isinstance(graph, Graph):
        raise InvalidInput(f"{model} holds a Program already; lower the Graph that it came from")
    program = api.lower(
        graph,
        target,
        calibration=None if held is None else held.shown_to(graph).values,
        scaling=scaling,
        percentile=percentile,
        weight_bits=weight_bits,
        decay_bits=decay_bits,
        input_coding=input_coding,
    )
    program = with_cores(program, target)
    if net is not None:
        from neurorobust.formats.netx import save_netx

        try:
            save_netx(program, net)
        except Unsupported as error:  # the chip has the network; the file beside it has not
            raise InvalidInput(str(error)) from error
    save_model(program, out)
    if as_json:
        written = {"program": str(out), "net": None if net is None else str(net)}
        print_json(written | {"report": program.report})
        return
    console.print(_table(program.report, _SHOWN))
    if calibration is not None:
        console.print(_table(program.report, _MEASURED))
    for row in program.report:
        if row.get("passes"):
            say(f"  {row['layer']}: {row['passes']}")
    for path in (out, net):
        if path is not None:
            print_file(path)


def _table(report: list[dict[str, Any]], columns: dict[str, str]) -> "Table":
    known = [key for key in columns if any(row.get(key) is not None for row in report)]
    right = [columns[key] for key in known if key not in {"layer", "limited_by"}]
    shown = table(*(columns[key] for key in known), right=right)
    for row in report:
        shown.add_row(*(_cell(row.get(key)) for key in known))
    return shown


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
