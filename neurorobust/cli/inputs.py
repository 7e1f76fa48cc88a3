"""What several commands take: a model, by file or by name, and its samples."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neurorobust.cli.stages import ConsoleStages
    from neurorobust.ir import Graph, Program


def model_of(model: str, folder: Path, seed: int, stages: "ConsoleStages") -> "Graph | Program":
    """A saved Graph or Program, or a known model, made in the folder if need be."""
    from neurorobust.formats.load import load, model_names

    if model not in model_names():
        return load(model)
    with stages.stage(f"Train or load the {model} model") as progress:
        return load(model, folder=folder, seed=seed, progress=progress)


def graph_of(model: str, folder: Path, seed: int, stages: "ConsoleStages") -> "Graph":
    """The same for commands that take float models only."""
    from neurorobust.api import as_graph

    return as_graph(model_of(model, folder, seed, stages), model)


def source_of(data: str | None, model: str) -> str:
    """The named data; those of the built-in model by default.

    Raises:
        InvalidInput: if none are named for another model.
    """
    from neurorobust.data import DIGITS
    from neurorobust.errors import InvalidInput

    if data is None and model != DIGITS:
        msg = "name the test samples with --data: a folder of Parquet files, or digits"
        raise InvalidInput(msg)
    return data or DIGITS
