"""``neurorobust import``: a file of another format becomes a saved Graph or Program."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurorobust.cli import options
from neurorobust.cli.console import print_file, print_json, say
from neurorobust.cli.inputs import models_of
from neurorobust.errors import InvalidInput
from neurorobust.names import require_choice

if TYPE_CHECKING:
    from neurorobust.formats.reading import Reading

KINDS = ("nir", "netx", "onnx", "script")


@options.reads()
def import_(
    file: Annotated[
        str, typer.Argument(help="A .nir, .net or .onnx file, or file.py:name, which runs it.")
    ],
    out: Annotated[Path, typer.Option(help="File of the model.")],
    source: Annotated[
        str, typer.Option("--from", help=f"{', '.join(KINDS)}; auto looks into the file.")
    ] = "auto",
    as_json: options.AsJson = False,
    *,
    reading: "Reading",
) -> None:
    """Read a network of another format and save it; what the file leaves open has to be said.

    Ends with 2 if it cannot be done.
    """
    from neurorobust.cli.stages import stages
    from neurorobust.formats.load import kind_of
    from neurorobust.ir import save_model

    require_choice("--from", source, ("auto", *KINDS))
    kind = kind_of(file)
    if kind not in KINDS or source not in ("auto", kind):
        raise InvalidInput(f"{file}: is a {kind} model; --from is {source}, of {', '.join(KINDS)}")
    model = models_of([file], reading, stages=stages(as_json=True))[0]
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
