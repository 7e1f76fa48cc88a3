"""``neurorobust export``: a network in another framework's form, and whether it is the same."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurorobust.cli import options
from neurorobust.cli.console import print_file, print_json, say
from neurorobust.cli.inputs import if_named, models_of
from neurorobust.errors import InvalidInput
from neurorobust.names import require_choice

if TYPE_CHECKING:
    from neurorobust.data import Source
    from neurorobust.formats.reading import Reading
    from neurorobust.ir import Model, Program

CODE = ("snntorch", "norse", "lava")
FILES = ("nir", "onnx", "netx")
IN_INTEGERS = ("lava", "netx")


@options.reads()
@options.shows(limit=64)
def export(
    model: options.Model,
    to: Annotated[str, typer.Option(help=f"{', '.join((*CODE, *FILES))}.")],
    out: Annotated[
        Path, typer.Option(help="Folder of the code and weights; for nir, onnx and netx the file.")
    ],
    profile: Annotated[
        str | None,
        typer.Option(
            help="nir: strict, portable, snntorch or norse. "
            "lava, netx: hardware profile for which a Graph is lowered."
        ),
    ] = None,
    exact: Annotated[bool, typer.Option(help="norse: no sum in another order.")] = False,
    check: Annotated[bool, typer.Option(help="Run what was written and compare.")] = True,
    as_json: options.AsJson = False,
    *,
    reading: "Reading",
    data: "Source",
) -> None:
    """Write a network for another framework, run what was written and compare, on data as well.

    Exit code 0: written, and nothing speaks against it. 1: the network has no form there, or what
    was written computes something else. 2: it cannot be done as asked.
    """
    from neurorobust import api
    from neurorobust.cli.stages import stages

    require_choice("--to", to, (*CODE, *FILES))
    if profile is not None and to not in ("nir", *IN_INTEGERS):
        raise InvalidInput(f"--profile is for nir, lava and netx; {to} has none")
    if exact and to in FILES:
        raise InvalidInput(f"--exact is for norse; {to} has no such choice")
    samples = if_named(data)
    told = stages(as_json=True)
    network: Model = models_of([model], reading, samples, stages=told, seed=data.seed)[0]
    if to in IN_INTEGERS:
        network = _lowered(network, model, profile)
    elif to == "nir":
        api.as_graph(network, model)
    files, verdict, call = api.export(
        network, to, out, profile=profile or "strict", exact=exact, check=check, inputs=samples
    )
    more = {"call": call} if call else {}
    if as_json:
        print_json({"files": [str(path) for path in files], "verdict": verdict.as_dict(), **more})
    else:
        for path in files:
            print_file(path)
        for key, value in more.items():
            say(f"{key}: {value}")
        say(str(verdict))
    if verdict.agreement in {"systematic", "failed"}:
        raise typer.Exit(1)


def _lowered(model: "Model", path: str, profile: str | None) -> "Program":
    """A Program as it is; a Graph lowered for a profile."""
    from neurorobust import api
    from neurorobust.ir import Program

    if isinstance(model, Program):
        if profile is not None:
            msg = f"{path} holds a Program already, lowered for {model.profile or 'no profile'}"
            raise InvalidInput(msg)
        return model
    if profile is None:
        msg = f"{path} holds a Graph; say with --profile for which chip to lower it, as loihi2"
        raise InvalidInput(msg)
    return api.lower(api.as_graph(model, path), profile)
