"""``neurorobust import``: a file of another format becomes a saved Graph or Program."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from neurorobust.cli.console import command, console
from neurorobust.errors import InvalidInput

if TYPE_CHECKING:
    from neurorobust.ir import Model

SUFFIXES = {".nir": "nir", ".net": "netx", ".onnx": "onnx"}


@partial(command, code=2)
def import_(  # noqa: PLR0917  # options are passed by name
    file: Annotated[Path, typer.Argument(help="A .nir, .net or .onnx file.")],
    out: Annotated[Path, typer.Option(help="File of the model.")],
    source: Annotated[
        str, typer.Option("--from", help="nir, netx or onnx; auto goes by the name of the file.")
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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """Read a network of another format and save it; what the file leaves open has to be said.

    Ends with 2 if it cannot be done.
    """
    kind = SUFFIXES.get(file.suffix, "") if source == "auto" else source
    given = {"dt_s": dt, "reset": reset, "steps": steps, "readout": readout}
    options = {key: value for key, value in given.items() if value is not None}
    if kind not in SUFFIXES.values():
        msg = f"{file}: --from is {source!r}; known are auto, {', '.join(SUFFIXES.values())}"
        raise InvalidInput(msg)
    model = _read(file, kind, options)
    from neurorobust.ir import save_model

    path = save_model(model, out)
    if as_json:
        shown = {
            "model": type(model).__name__,
            "file": str(path),
            "content_hash": model.content_hash,
            "nodes": {name: node.kind for name, node in model.nodes.items()},
        }
        typer.echo(json.dumps(shown, indent=2))
        return
    for name, node in model.nodes.items():
        console.print(f"  {name}: {node.kind} {model.shapes[name]}", markup=False)
    console.print(f"Written: {path.resolve()}", markup=False, soft_wrap=True)


def _read(file: Path, kind: str, options: dict[str, Any]) -> "Model":
    known = {
        "nir": {"dt_s", "reset", "steps", "readout"},
        "netx": {"dt_s", "steps", "readout"},
        "onnx": set[str](),
    }[kind]
    if more := [key.removesuffix("_s") for key in options if key not in known]:
        msg = f"--{', --'.join(more)}: a {kind} file says so itself; leave it out"
        raise InvalidInput(msg)
    if kind == "onnx":
        from neurorobust.formats.onnx import load_onnx

        return load_onnx(file)
    if kind == "nir":
        from neurorobust.formats.nir import load_nir

        return load_nir(file, **options)
    if "steps" not in options:
        msg = f"{file}: a netx file does not say how many steps a sample lasts; give --steps"
        raise InvalidInput(msg)
    from neurorobust.formats.netx import load_netx

    return cast("Model", load_netx(file, **options))
