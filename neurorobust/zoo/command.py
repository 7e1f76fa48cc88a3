"""Training a network of the zoo from the command line."""

import json
import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from neurorobust.data import Samples, load
from neurorobust.errors import InvalidInput, NeurorobustError
from neurorobust.files import write_atomic
from neurorobust.names import known_are
from neurorobust.train.loop import Trainer
from neurorobust.zoo.card import model_card


def both(folder: Path) -> tuple[Samples, Samples]:
    """Images to train on and images to report, as the data set parts them."""
    return load(folder, "train"), load(folder)


def run(train: Trainer, parts: Callable[[Path], tuple[Samples, Samples]] = both) -> None:
    """Parse the arguments, train, and write the model and, beside it, its card.

    Args:
        train: How; its recipe is what may be changed.
        parts: Training and test images of a folder.
    """
    recipe, module = train.recipe, f"neurorobust.zoo.{train.name}"
    parser = ArgumentParser(prog=f"python -m {module}", description=train.__call__.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the Parquet files")
    parser.add_argument("--out", type=Path, required=True, help="model file, *.safetensors")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        *("--set", "-s"),
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"of the recipe; one of {', '.join(_numbers(recipe))}; repeatable",
    )
    asked = parser.parse_args()
    console, start = Console(highlight=False), time.perf_counter()

    def told(what: str, done: int, total: int) -> None:
        console.print(f"epoch {done} of {total}: {what}, {time.perf_counter() - start:.0f} s")

    try:
        changed = changes(asked.set, recipe)
        training, test = parts(asked.data)
        graph = train(training, seed=asked.seed, progress=told, checkpoint=asked.out, **changed)
        written = json.dumps(model_card(graph, training, test), indent=2) + "\n"
        write_atomic(asked.out.with_suffix(".card.json"), written)
    except NeurorobustError as error:
        parser.exit(1, f"error: {error}\n")
    console.print(written, markup=False, soft_wrap=True)


def changes(given: Sequence[str], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Values of ``KEY=VALUE`` in the type that the recipe has them in.

    Raises:
        InvalidInput: for a key that cannot be changed, or a value of another type.
    """
    known, changed = _numbers(recipe), {}
    for text in given:
        key, _, value = text.partition("=")
        if key not in known:
            msg = f"{text!r} sets nothing that can be changed; {known_are(key, known)}"
            raise InvalidInput(msg)
        kind = type(recipe[key])
        try:
            changed[key] = kind(value)
        except ValueError as error:
            msg = f"{key} is {value!r}; give a number of type {kind.__name__}"
            raise InvalidInput(msg) from error
    return changed


def _numbers(recipe: Mapping[str, Any]) -> list[str]:
    """What may be changed: numbers, and the coding. The rest describes the code."""
    return [key for key, value in recipe.items() if key == "coding" or not isinstance(value, str)]
