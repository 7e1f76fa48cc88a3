"""The built-in model: a small convolutional LIF network, trained on real digits in seconds."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from neurorobust.data import DIGITS, load
from neurorobust.engine.layers import LIF, SpikingSequential
from neurorobust.errors import InvalidFile
from neurorobust.files import write_atomic
from neurorobust.ir import Graph, load_model, save_model
from neurorobust.progress import Progress
from neurorobust.train.layers import convolution, neuron, readout
from neurorobust.train.loop import Trainer
from neurorobust.zoo.card import described, trained_with

RECIPE: dict[str, Any] = {
    "architecture": "conv12(3x3)-bn-lif-conv24(3x3,stride 2)-bn-lif-fc10-li",
    "data": "scikit-learn digits, 80 % for training, split by the seed",
    "coding": "direct",
    "steps": 8,
    "beta": 0.75,
    "threshold": 1.0,
    "reset": "hard, to 0, same step",
    "surrogate": "arctan, width 0.5, reset detached",
    "optimiser": "AdamW, one-cycle",
    "learning_rate": 0.01,
    "weight_decay": 0.001,
    "batch": 64,
    "epochs": 12,
    "label_smoothing": 0.05,
}
"""Everything that decides the weights besides the seed; part of the model card."""


def build(recipe: Mapping[str, Any]) -> SpikingSequential:
    """The untrained network; its weights follow torch's global generator."""

    def lif() -> LIF:
        return LIF(neuron(recipe))

    return SpikingSequential(
        *convolution(1, 12, 3, lif),
        *convolution(12, 24, 3, lif, stride=2),
        nn.Flatten(),
        nn.Linear(24 * 4 * 4, 10),
        readout(recipe),
    )


train = Trainer(name="digits", classes="0123456789", recipe=RECIPE, build=build, threads=False)
"""Of images (B, 1, 8, 8); on one thread, so the machine's number of them moves no weight."""


def load_or_train(
    folder: Path, *, seed: int = 0, progress: Progress | None = None
) -> tuple[Graph, dict[str, Any]]:
    """The trained model and its card; a model of the same seed and recipe in the folder is reused.

    Raises:
        InvalidFile: if the model file in the folder is damaged.
    """
    path, card_path = folder / "digits.safetensors", folder / "digits.card.json"
    if path.exists() and card_path.exists():
        card = _read_card(card_path)
        if card.get("recipe") == RECIPE and card.get("seed") == seed:
            graph = load_model(path, Graph)
            if card.get("content_hash") == graph.content_hash:
                return graph, card
    training, test = (load(DIGITS, part, seed=seed) for part in ("train", "test"))
    graph = train(training, seed=seed, progress=progress)
    card = described(graph, training, test) | {
        "input": "8x8 grey pixels, 8 bit, as values in 0..1",
        "trained_with": trained_with(),
        "licence": "Apache-2.0 (weights); the images are CC BY 4.0 (UCI)",
    }
    save_model(graph, path)
    write_atomic(card_path, json.dumps(card, indent=2) + "\n")
    return graph, card


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text())
        if not isinstance(card, dict):
            raise ValueError(f"it holds a {type(card).__name__}, not an object")
    except (OSError, ValueError) as error:
        reason = f"is no model card ({error}); delete it to train the model again"
        raise InvalidFile(path, reason) from error
    return card
