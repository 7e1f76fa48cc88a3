"""``neurorobust doctor``: what goes wrong silently when netx runs a file."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from neurorobust.cli import options
from neurorobust.cli.console import console, print_json, say
from neurorobust.errors import InvalidInput, NeurorobustError
from neurorobust.render.console import table

if TYPE_CHECKING:
    from neurorobust.formats.netx.lint import Finding
    from neurorobust.formats.reading import Reading

_COLOURS = {"error": "bold red", "warning": "yellow", "note": "dim"}


@options.reads(
    "num_layers",
    "skip_layers",
    "input_shape",
    "input_message_bits",
    "reset_interval",
    "reset_offset",
)
def doctor(
    file: Annotated[Path, typer.Argument(help="A .net file.")],
    input_range: Annotated[
        tuple[int, int] | None, typer.Option(help="Smallest and largest integer sent.")
    ] = None,
    select_tag: Annotated[
        str, typer.Option(help="Tag of the run configuration; 'none' for none.")
    ] = "fixed_pt",
    as_json: options.AsJson = False,
    *,
    reading: "Reading",
) -> None:
    """Say what goes wrong, without a message, when lava-dl's netx runs a file.

    Ends with 0 if nothing does, 1 on an error or warning, 2 if the file cannot be read or an
    option is out of range.
    """
    from neurorobust.formats.netx import NetxCall
    from neurorobust.formats.netx.lint import examine

    tag = None if select_tag == "none" else select_tag
    try:
        found = examine(file, NetxCall.of(reading), select_tag=tag, input_range=input_range)
    except NeurorobustError as error:
        if not as_json:
            raise
        key = "refused" if isinstance(error, InvalidInput) else "unreadable"
        print_json({"file": str(file), key: str(error)})
        raise typer.Exit(2) from error
    if as_json:
        print_json({"file": str(file), "findings": [asdict(finding) for finding in found]})
    else:
        _print(file, found)
    if any(finding.severity != "note" for finding in found):
        raise typer.Exit(1)


def _print(file: Path, found: "tuple[Finding, ...]") -> None:
    """One row per finding, the worst first."""
    if not found:
        say(f"{file}: nothing found")
        return
    columns = ("severity", "layer", "code", "what happens", "how to avoid it")
    shown = table(*columns, title=str(file), show_lines=True)
    for finding in found:
        layer = "" if finding.layer is None else str(finding.layer)
        severity = Text(finding.severity, _COLOURS[finding.severity])
        shown.add_row(severity, layer, finding.code, finding.message, finding.avoid)
    console.print(shown)
