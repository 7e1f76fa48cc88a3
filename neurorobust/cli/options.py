"""Options that several commands take, each written once."""

from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Data = Annotated[
    str | None, typer.Option(help="Folder of image Parquet files, .npz with x, y, or digits.")
]
First = Annotated[int, typer.Option(help="Index of the first test sample.", min=0)]
Html = Annotated[Path | None, typer.Option(help="Write all of it as one HTML page.")]
InputCoding = Annotated[
    str | None, typer.Option(help="graded, bias or host; the profile's first by default.")
]
OwnGraph = Annotated[str, typer.Argument(help="A saved Graph, or digits: trains the built-in.")]
Percentile = Annotated[float, typer.Option(help="Of the rule percentile.")]
Target = Annotated[str, typer.Option(help="Target: name or file of a profile.")]


def seed(of: str) -> Any:
    """A seed of anything that torch draws too."""
    return typer.Option(help=of, min=0, max=2**32 - 1)


Seed = Annotated[int, seed("Of everything random.")]
