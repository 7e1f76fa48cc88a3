"""What several commands take: a model, by file or as the built-in, and labelled samples."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neurorobust.cli.stages import ConsoleStages
    from neurorobust.data.labelled import Labelled
    from neurorobust.ir import Graph, Program

DIGITS = "digits"
"""Names the built-in model, and the data it is trained on."""


def model_of(model: str, folder: Path, seed: int, stages: "ConsoleStages") -> "Graph | Program":
    """A saved Graph or Program, or the built-in network, trained into the folder if need be."""
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
    from neurorobust.errors import InvalidInput

    if data is None and model != DIGITS:
        msg = "name the test samples with --data: a folder of Parquet files, or digits"
        raise InvalidInput(msg)
    return data or DIGITS


def labelled(data: str, *, first: int, limit: int, seed: int) -> "Labelled":
    """Some test samples of the built-in digits, a folder of image Parquet files, or a .npz file.

    Args:
        data: ``digits``, the folder or the file.
        first: Index of the first sample.
        limit: Number of samples.
        seed: Of the split of the digits.

    Raises:
        InvalidInput: if the data end before the first sample.
    """
    import numpy as np

    from neurorobust.data.arrays import load_arrays
    from neurorobust.data.labelled import Labelled
    from neurorobust.errors import InvalidInput
    from neurorobust.study.quantise import digits_samples, image_samples

    if data.endswith(".npz"):
        name, note, (x, y) = Path(data).stem, "", load_arrays(data)
    else:
        end = first + limit
        found = (
            digits_samples(seed=seed, limit=end)
            if data == DIGITS
            else image_samples(Path(data), limit=end)
        )
        name, note, x, y = found.name, found.note, found.test.values, found.test.labels
    rows = slice(first, first + limit)
    if first >= len(y):
        msg = f"{name} has {len(y)} samples, so none from index {first}; give a smaller --first"
        raise InvalidInput(msg)
    return Labelled(name, x[rows], y[rows], np.arange(first, first + len(y[rows])), note)
