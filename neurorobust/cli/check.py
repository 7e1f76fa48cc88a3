"""``neurorobust check``: whether a network fits on a chip."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurorobust.cli import options
from neurorobust.cli.console import complain, console, print_json
from neurorobust.errors import InvalidInput

if TYPE_CHECKING:
    from neurorobust.fit import Check


def check(
    model: Annotated[list[Path], typer.Argument(help="Saved Graphs or Programs, or .net files.")],
    profile: Annotated[
        list[str], typer.Option(help="Chip to hold them against; may be given several times.")
    ],
    samples: Annotated[
        Path | None,
        typer.Option(help=".npy or .npz (array 'samples'): run them to know the activity."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Time steps of a .net file, which does not say.", min=1)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the spikes of a Bernoulli coding.", min=0)] = 0,
    figure: Annotated[Path | None, typer.Option(help="Write the cores as SVG.")] = None,
    html: options.Html = None,
    every_rule: Annotated[bool, typer.Option("--all", help="Show passed rules too.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Hold networks against the rules of chips: fit, cores, energy, time.

    Exit code 0: nothing fails. 1: a rule fails. 2: it cannot be checked.
    """
    checks = _checks(model, profile, samples, steps, seed)
    if figure is not None:
        if len({found.content_hash for found in checks}) > 1:
            raise InvalidInput("--figure shows one network; write several with --html")
        from neurorobust.fit.figure import cores_figure, save_figure

        drawing = cores_figure(checks)
        if drawing is None:
            complain("no figure: no chip has a place for all layers")
        else:
            save_figure(drawing, figure)
    if html is not None:
        from neurorobust.fit.html import write_page

        write_page(checks, html)
    if as_json:
        print_json([found.as_json() for found in checks])
    else:
        from neurorobust.fit.console import print_check

        for found in checks:
            print_check(console, found, every_rule=every_rule)
    if any(not found.ok for found in checks):
        raise typer.Exit(1)


def _checks(
    models: list[Path], profiles: list[str], samples: Path | None, steps: int | None, seed: int
) -> "list[Check]":
    from dataclasses import replace

    from neurorobust.chips import load_profile
    from neurorobust.data import load as load_samples
    from neurorobust.fit import extract
    from neurorobust.fit.activity import measure
    from neurorobust.fit.checking import check as hold
    from neurorobust.fit.netx import with_findings
    from neurorobust.formats.load import Reading, fitting, kind_of, load

    chips = [load_profile(name).profile for name in profiles]
    found = []
    reading = Reading(steps=steps)
    kinds = {path: kind_of(path) for path in models}
    if all(reading.beyond(kind) for kind in kinds.values()):
        msg = f"{models[0]}: says itself how many steps it runs; steps are for .net files"
        raise InvalidInput(msg)
    for path in models:
        model = load(path, fitting(reading, path))
        activity = measure(model, load_samples(samples).values, seed=seed) if samples else None
        network = extract(model)
        network = replace(network, name=network.name or path.stem)
        held = [hold(model, chip, activity, extracted=network) for chip in chips]
        found += [with_findings(one, path) for one in held] if kinds[path] == "netx" else held
    return found
