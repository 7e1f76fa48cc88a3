"""``neurorobust export``: a network in another framework's form, and whether it is the same."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from neurorobust.cli.console import console, errors
from neurorobust.errors import InvalidInput, LowerError, NeurorobustError, Unsupported

if TYPE_CHECKING:
    from neurorobust.compare.verdict import Verdict
    from neurorobust.formats.code import Target
    from neurorobust.formats.nir.save import Profile
    from neurorobust.ir import Graph, Model, Program

REFUSED, CANNOT = 1, 2
"""Exit codes: the network has no form there, or what was written differs; something is wrong."""
CODE = ("snntorch", "norse", "lava")
FILES = ("nir", "onnx", "netx")
IN_INTEGERS = ("lava", "netx")


def export(  # noqa: PLR0917  # options are passed by name
    model: Annotated[Path, typer.Argument(help="A saved Graph or Program.")],
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
    exact: Annotated[bool, typer.Option(help="norse: no sum in another order.")] = False,  # noqa: FBT002
    check: Annotated[bool, typer.Option(help="Run what was written and compare.")] = True,  # noqa: FBT002
    samples: Annotated[
        Path | None, typer.Option(help=".npy or .npz: compare on these as well.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """Write a network for another framework, run what was written and compare.

    Exit code 0: written, and nothing speaks against it. 1: the network has no form there, or what
    was written computes something else. 2: it cannot be done as asked.
    """
    try:
        files, verdict, more = _written(
            model, to, out, profile, exact=exact, check=check, samples=samples
        )
    except NeurorobustError as error:
        errors.print("error:", style="bold red", end=" ")
        errors.print(str(error), markup=False, soft_wrap=True)
        refused = isinstance(error, Unsupported | LowerError)
        raise typer.Exit(REFUSED if refused else CANNOT) from error
    if as_json:
        shown = {"files": [str(path) for path in files], "verdict": verdict.as_dict(), **more}
        typer.echo(json.dumps(shown, indent=2))
    else:
        for path in files:
            console.print(f"Written: {path.resolve()}", markup=False, soft_wrap=True)
        for key, value in more.items():
            console.print(f"{key}: {value}", markup=False, soft_wrap=True)
        console.print(str(verdict), markup=False, soft_wrap=True)
    if verdict.agreement in {"systematic", "failed"}:
        raise typer.Exit(REFUSED)


def _written(
    path: Path,
    to: str,
    out: Path,
    profile: str | None,
    *,
    exact: bool,
    check: bool,
    samples: Path | None,
) -> "tuple[list[Path], Verdict, dict[str, Any]]":
    """Files, verdict, and what else the target needs to know."""
    from neurorobust.compare.verdict import not_run
    from neurorobust.data import load as load_samples
    from neurorobust.formats.checked import export_file
    from neurorobust.formats.code import export_code
    from neurorobust.formats.load import load
    from neurorobust.formats.netx import save_netx

    if to not in (*CODE, *FILES):
        msg = f"--to is {to!r}; known are {', '.join((*CODE, *FILES))}"
        raise InvalidInput(msg)
    if profile is not None and to not in {"nir", *IN_INTEGERS}:
        msg = f"--profile is for nir, lava and netx; {to} has none"
        raise InvalidInput(msg)
    if exact and to not in CODE:
        msg = f"--exact is for norse; {to} has no such choice"
        raise InvalidInput(msg)
    inputs = None if samples is None else load_samples(samples).values
    model = load(path)
    if to in IN_INTEGERS:
        model = _lowered(model, path, profile)
    elif to == "nir":
        model = _graph(model, path)
    if to in CODE:
        made = export_code(model, out, cast("Target", to), exact=exact, check=check, inputs=inputs)
        return [made.code, made.weights], made.verdict, {}
    if to == "netx":
        call = save_netx(cast("Program", model), out)
        reason = "the file was read back as netx reads it, and its integers compared"
        return [out], not_run(reason, to), {"call": call.arguments()}
    verdict, how = export_file(
        model,
        out,
        cast('Literal["nir", "onnx"]', to),
        profile=cast("Profile", profile or "strict"),
        check=check,
        inputs=inputs,
    )
    return [out], verdict, {"call": how} if how else {}


def _lowered(model: "Model", path: Path, profile: str | None) -> "Program":
    """A Program as it is; a Graph lowered for a profile."""
    from neurorobust.chips import load_profile
    from neurorobust.ir import Program
    from neurorobust.lower import lower

    if isinstance(model, Program):
        if profile is not None:
            msg = f"{path} holds a Program already, lowered for {model.profile or 'no profile'}"
            raise InvalidInput(msg)
        return model
    if profile is None:
        msg = f"{path} holds a Graph; say with --profile for which chip to lower it, as loihi2"
        raise InvalidInput(msg)
    found = load_profile(profile).profile
    program = lower(_graph(model, path), found)
    if not isinstance(program, Program):
        msg = f"{found.id} has no integers, so there is no Program; name another profile"
        raise InvalidInput(msg)
    return program


def _graph(model: "Model", path: Path) -> "Graph":
    from neurorobust.ir import Graph

    if not isinstance(model, Graph):
        msg = f"{path} holds a Program, in integers; give the Graph it was lowered from"
        raise InvalidInput(msg)
    return model
