"""``neurorobust quantise``: what a chip's number formats do to a network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurorobust.cli import options
from neurorobust.cli.run import Jobs, Out, Profiles, go

if TYPE_CHECKING:
    from neurorobust.data import Source
    from neurorobust.formats.reading import Reading


@options.reads()
@options.shows()
def quantise(
    model: Annotated[
        list[str],
        typer.Argument(help="Networks: files, file.py:name, which runs that file, or digits."),
    ],
    bits: Annotated[str, typer.Option(help="Weight bits, as 2..8 or 4,6,8.")] = "2..8",
    scaling: Annotated[
        str, typer.Option(help="Scaling rules, of max_abs, percentile, mse, spikes.")
    ] = "max_abs",
    percentile: options.Percentile = 99.9,
    decay_bits: Annotated[
        str | None, typer.Option(help="Bits of the decays, as 4,8,12; the profile's by default.")
    ] = None,
    input_coding: options.InputCoding = None,
    profile: Profiles = None,
    calibration: options.Calibration = None,
    calibration_limit: options.CalibrationLimit = 128,
    attacks: Annotated[
        list[str] | None, typer.Option(help="Attack sets, or folders of them; repeatable.")
    ] = None,
    jobs: Jobs = 1,
    out: Out = Path("neurorobust-quantise"),
    as_json: options.AsJson = False,
    *,
    reading: "Reading",
    data: "Source",
) -> None:
    """Sweep weight bits, scaling rules and decay bits; write tables and a page.

    Exit code 0: done. 1: a step failed. 2: it cannot be done.
    """
    from neurorobust.study import presets
    from neurorobust.study.crafters import split
    from neurorobust.study.presets import whole_numbers

    lower: dict[str, Any] = {
        "profile": profile or [presets.PROFILE],
        "weight_bits": list(whole_numbers(bits, "--bits")),
        "scaling": split(scaling),
        "percentile": percentile,
        "input_coding": input_coding,
    }
    if decay_bits is not None:
        lower["decay_bits"] = list(whole_numbers(decay_bits, "--decay-bits"))
    spec = presets.preset(
        model,
        data,
        reading,
        backends=["torch"],
        slow=False,
        data={"calibration": calibration, "calibration_count": calibration_limit},
        lower=lower,
        fit={"check": False},
        replay={"sets": attacks or [], "compare": 100},
        run={"jobs": jobs},
    )
    go(spec, out, "quantise", as_json=as_json)
