"""What several commands take: a model, by file or as the built-in, and the name of samples."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neurorobust.cli.stages import ConsoleStages
    from neurorobust.ir import Graph, Program


def model_of(model: str, folder: Path, seed: int, stages: "ConsoleStages") -> "Graph | Program":
    """A saved Graph or Program, or the built-in network, trained into the folder if need be."""
    from neurorobust.data import DIGITS
    from neurorobust.formats.load import load
    from neurorobust.zoo.digits import load_or_train

    if model != DIGITS:
        return load(model)
    with stages.stage("Train or load the digits model") as progress:
        graph, _ = load_or_train(folder, seed=seed, progress=progress)
    return graph


def graph_of(model: str, folder: Path, seed: int, stages: "ConsoleStages") -> "Graph":
    """The same for commands that take float models only.

    Raises:
        InvalidInput: if the file holds a Program.
    """
    from neurorobust.errors import InvalidInput
    from neurorobust.ir import Graph

    found = model_of(model, folder, seed, stages)
    if not isinstance(found, Graph):
        msg = f"{model} holds a Program, in integers; give the Graph it was lowered from"
        raise InvalidInput(msg)
    return found


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
