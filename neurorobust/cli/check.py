"""``neurorobust check``: whether a network fits on a chip."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurorobust.cli import options
from neurorobust.cli.console import complain, console, print_json
from neurorobust.cli.inputs import if_named, models_of
from neurorobust.errors import InvalidInput

if TYPE_CHECKING:
    from neurorobust.data import Source
    from neurorobust.fit import Check
    from neurorobust.formats.reading import Reading


@options.reads()
@options.shows()
def check(
    model: options.Models,
    profile: Annotated[
        list[str], typer.Option(help="Chip to hold them against; may be given several times.")
    ],
    figure: Annotated[Path | None, typer.Option(help="Write the cores as SVG.")] = None,
    html: options.Html = None,
    every_rule: Annotated[bool, typer.Option("--all", help="Show passed rules too.")] = False,
    as_json: options.AsJson = False,
    *,
    reading: "Reading",
    data: "Source",
) -> None:
    """Hold networks against the rules of chips: fit, cores, energy, time.

    Data are run to know the activity, on which energy depends.

    Exit code 0: nothing fails. 1: a rule fails. 2: it cannot be checked.
    """
    checks = _checks(model, profile, reading, data)
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
    models: list[str], profiles: list[str], reading: "Reading", data: "Source"
) -> "list[Check]":
    from dataclasses import replace

    from neurorobust.chips import load_profile
    from neurorobust.cli.stages import stages
    from neurorobust.fit import extract
    from neurorobust.fit.activity import measure
    from neurorobust.fit.checking import check as hold
    from neurorobust.fit.netx import with_findings
    from neurorobust.formats.load import kind_of

    chips = [load_profile(name).profile for name in profiles]
    samples = if_named(data)
    told = stages(as_json=True)
    found = []
    for path, model in zip(
        models, models_of(models, reading, samples, stages=told, seed=data.seed), strict=True
    ):
        activity = None
        if samples is not None:
            activity = measure(model, samples.shown_to(model).values, seed=data.seed)
        network = extract(model)
        network = replace(network, name=network.name or Path(path).stem)
        held = [hold(model, chip, activity, extracted=network) for chip in chips]
        netx = kind_of(path) == "netx"
        found += [with_findings(one, Path(path)) for one in held] if netx else held
    return found
