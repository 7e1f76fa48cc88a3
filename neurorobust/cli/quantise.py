"""``neurorobust quantise``: what a chip's number formats do to a network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from neurorobust.cli import options
from neurorobust.cli.console import command_line, console, print_file, print_json
from neurorobust.cli.inputs import graph_of, source_of

if TYPE_CHECKING:
    from neurorobust.chips.arithmetic import InputCoding
    from neurorobust.lower.population.scaling import Scaling

_EACH = "comma-separated"


def quantise(
    model: options.OwnGraph,
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
    data: options.Data = None,
    limit: Annotated[
        int | None, typer.Option(help="Number of test images; all by default.", min=1)
    ] = None,
    calibration: Annotated[
        int, typer.Option(help="Training images the rule spikes looks at.", min=1)
    ] = 128,
    attacks: Annotated[
        list[Path] | None, typer.Option(help="Attack sets, or folders of them; repeatable.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the study.")] = Path("neurorobust-quantise"),
    seed: Annotated[int, options.seed("Of the built-in digits.")] = 0,
    as_json: options.AsJson = False,
) -> None:
    """Sweep weight bits, scaling rules and decay bits; write a table and a page.

    Ends with 2 if it cannot be done.
    """
    from neurorobust.chips import load_profile
    from neurorobust.cli.stages import stages
    from neurorobust.data import load
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
    source = source_of(data, model)
    samples = load(source, limit=limit, seed=seed)
    held = load(source, "train", limit=calibration, seed=seed) if "spikes" in rules else None
    told = stages(as_json)
    graph = graph_of(model, out / "model", seed, told)
    done = run(
        graph,
        target,
        sweep,
        samples,
        folder=out,
        stages=told,
        attacks=load_attacks(attacks or (), graph),
        calibration=None if held is None else held.values,
        command=command_line(),
    )
    page = write_page(out)
    if as_json:
        print_json({"page": str(page), "rows": done.table.to_dicts()})
        return
    print_study(console, done.table, samples.note)
    print_file(page, "\nPage")
