"""``neurorobust quantise``: what a chip's number formats do to a network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from neurorobust.cli import options
from neurorobust.cli.console import command_line, console, print_file, print_json
from neurorobust.cli.inputs import calibration_of, graphs_of, samples_of
from neurorobust.data.source import DIGITS

if TYPE_CHECKING:
    from neurorobust.chips.arithmetic import InputCoding
    from neurorobust.data import Source
    from neurorobust.formats.reading import Reading
    from neurorobust.lower.population.scaling import Scaling

_EACH = "comma-separated"


@options.reads()
@options.shows()
def quantise(
    model: options.Model,
    bits: Annotated[str, typer.Option(help="Weight bits, as 2..8 or 4,6,8.")] = "2..8",
    scaling: Annotated[
        str, typer.Option(help=f"Scaling rules, {_EACH}: max_abs, percentile, mse, spikes.")
    ] = "max_abs",
    percentile: options.Percentile = 99.9,
    decay_bits: Annotated[
        str | None, typer.Option(help="Bits of the decays, as 4,8,12; the profile's by default.")
    ] = None,
    input_coding: options.InputCoding = None,
    profile: options.Target = "loihi2",
    calibration: options.Calibration = None,
    calibration_limit: options.CalibrationLimit = 128,
    attacks: Annotated[
        list[Path] | None, typer.Option(help="Attack sets, or folders of them; repeatable.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the study.")] = Path("neurorobust-quantise"),
    as_json: options.AsJson = False,
    *,
    reading: "Reading",
    data: "Source",
) -> None:
    """Sweep weight bits, scaling rules and decay bits; write a table and a page.

    The rule spikes needs --calibration; without it, it takes the part train of --data.

    Ends with 2 if it cannot be done.
    """
    from neurorobust.chips import load_profile
    from neurorobust.cli.stages import stages
    from neurorobust.data.loading import parts_of
    from neurorobust.errors import InvalidInput
    from neurorobust.study.quantise import Sweep, load_attacks, whole_numbers, write_page
    from neurorobust.study.quantise import quantise as run
    from neurorobust.study.quantise.console import print_study

    rules = tuple(name.strip() for name in scaling.split(","))
    sweep = Sweep(
        weight_bits=whole_numbers(bits, "bits"),
        scalings=cast("tuple[Scaling, ...]", rules),  # a Sweep refuses other names
        decay_bits=whole_numbers(decay_bits, "decay-bits") if decay_bits else (None,),
        percentile=percentile,
        input_coding=cast("InputCoding | None", input_coding),
    )
    target = load_profile(profile)
    told, samples, seed = stages(as_json), samples_of(data, model), data.seed
    held = None
    if "spikes" in rules:
        source = str(data.name or DIGITS)
        if calibration is None and "train" not in parts_of(source):
            msg = f"{source} has no part train; name samples for the rule spikes with --calibration"
            raise InvalidInput(msg)
        held = calibration_of(calibration or source, calibration_limit, data)
    (graph,) = graphs_of([model], reading, samples, stages=told, folder=out / "model", seed=seed)
    done = run(
        graph,
        target,
        sweep,
        samples.shown_to(graph),
        folder=out,
        stages=told,
        attacks=load_attacks(attacks or (), graph),
        calibration=None if held is None else held.shown_to(graph).values,
        command=command_line(),
    )
    page = write_page(out)
    if as_json:
        print_json({"page": str(page), "rows": done.table.to_dicts()})
        return
    print_study(console, done.table, samples.note)
    print_file(page, "\nPage")
