"""``neurorobust import``: a file of another format becomes a saved Graph or Program."""

from pathlib import Path
from typing import Annotated, Any

import typer

from neurorobust.cli import options
from neurorobust.cli.console import print_file, print_json, say
from neurorobust.errors import InvalidInput

KINDS = ("nir", "netx", "onnx")


def import_(
    file: Annotated[Path, typer.Argument(help="A .nir, .net or .onnx file.")],
    out: Annotated[Path, typer.Option(help="File of the model.")],
    source: Annotated[
        str, typer.Option("--from", help="nir, netx or onnx; auto looks into the file.")
    ] = "auto",
    dt: Annotated[
        float | None, typer.Option(help="nir, netx: duration of a step in seconds.")
    ] = None,
    reset: Annotated[
        str | None, typer.Option(help="nir: hard, soft or none; its files do not say.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="nir, netx: steps of a sample.")] = None,
    readout: Annotated[
        str | None, typer.Option(help="nir, netx: count, mean, last, max or first.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Read a network of another format and save it; what the file leaves open has to be said.

    Ends with 2 if it cannot be done.
    """
    from neurorobust.formats.load import Reading, kind_of, load
    from neurorobust.ir import save_model

    if source not in ("auto", *KINDS):
        raise InvalidInput(f"{file}: --from is {source!r}; known are auto, {', '.join(KINDS)}")
    kind = kind_of(file)
    if kind not in KINDS or source not in ("auto", kind):
        raise InvalidInput(f"{file}: is a {kind} model; --from is {source}, of {', '.join(KINDS)}")
    given: dict[str, Any] = {"dt_s": dt, "reset": reset, "steps": steps, "readout": readout}
    reading = Reading(**given)
    if more := [name.removesuffix("_s") for name in reading.beyond(kind)]:
        raise InvalidInput(f"--{', --'.join(more)}: a {kind} file says so itself; leave it out")
    if kind == "netx" and steps is None:
        msg = f"{file}: a netx file does not say how many steps a sample lasts; give --steps"
        raise InvalidInput(msg)
    model = load(file, reading)
    path = save_model(model, out)
    if as_json:
        print_json(
            {
                "model": type(model).__name__,
                "file": str(path),
                "content_hash": model.content_hash,
                "nodes": {name: node.kind for name, node in model.nodes.items()},
            }
        )
        return
    for name, node in model.nodes.items():
        say(f"  {name}: {node.kind} {model.shapes[name]}")
    print_file(path)
