"""The built-in model: a small convolutional LIF network, trained on real digits in seconds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from neurorobust import __version__, ir
from neurorobust.data.digits import load_digits
from neurorobust.data.split import LEVELS, Split
from neurorobust.engine.layers import LI, LIF, SpikingSequential
from neurorobust.engine.threads import one_thread
from neurorobust.errors import InvalidFile
from neurorobust.files import write_atomic
from neurorobust.formats.load import load
from neurorobust.formats.modules.sequential import from_sequential
from neurorobust.ir.identity import canonical_json
from neurorobust.progress import Progress
from neurorobust.train.loop import fit

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


def build() -> SpikingSequential:
    """The untrained network; its weights follow torch's global generator."""
    lif = ir.LIF(beta=np.array(RECIPE["beta"]), threshold=np.array(RECIPE["threshold"]))
    return SpikingSequential(
        nn.Conv2d(1, 12, 3, padding=1, bias=False),
        nn.BatchNorm2d(12),
        LIF(lif),
        nn.Conv2d(12, 24, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(24),
        LIF(lif),
        nn.Flatten(),
        nn.Linear(24 * 4 * 4, 10),
        LI(ir.LI(beta=np.array(1.0), gain_in=np.array(1 / RECIPE["steps"]))),
    )


def train(data: Split, *, seed: int = 0, progress: Progress | None = None) -> ir.Graph:
    """Train on the CPU; the same seed gives the same weights with the same torch and processor.

    Args:
        data: Training images.
        seed: Of initial weights and batches.
        progress: Called as ``(what, done, total)``.
    """

    def told(epoch: int, _: float) -> None:
        if progress:
            progress("training", epoch, RECIPE["epochs"])

    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build()
        x = torch.tensor(data.values, dtype=torch.float32)
        fit(model, x, torch.tensor(data.labels), RECIPE, after_epoch=told)
    header = ir.Header(
        name="digits",
        dt_s=1e-3,
        steps=RECIPE["steps"],
        bounds=(0.0, 1.0),
        levels=LEVELS,
        classes=tuple("0123456789"),
        provenance={"seed": str(seed), "recipe": canonical_json(RECIPE)},
    )
    return from_sequential(model, header=header, input_shape=(1, 8, 8), readout="last")


def load_or_train(
    folder: Path, *, seed: int = 0, progress: Progress | None = None
) -> tuple[ir.Graph, dict[str, Any]]:
    """The trained model and its card; a model of the same seed and recipe in the folder is reused.

    Raises:
        InvalidFile: if the model file in the folder is damaged.
    """
    path, card_path = folder / "digits.safetensors", folder / "digits.card.json"
    if path.exists() and card_path.exists():
        card = _read_card(card_path)
        if card.get("recipe") == RECIPE and card.get("seed") == seed:
            graph = load(path)
            if isinstance(graph, ir.Graph) and card.get("content_hash") == graph.content_hash:
                return graph, card
    training, test = load_digits(seed=seed)
    graph = train(training, seed=seed, progress=progress)
    card = {
        "name": "digits",
        "content_hash": graph.content_hash,
        "seed": seed,
        "recipe": RECIPE,
        "training_images": len(training),
        "test_images": len(test),
        "input": "8x8 grey pixels, 8 bit, as values in 0..1",
        "trained_with": {"neurorobust": __version__, "torch": torch.__version__},
        "licence": "Apache-2.0 (weights); the images are CC BY 4.0 (UCI)",
    }
    ir.save_model(graph, path)
    write_atomic(card_path, json.dumps(card, indent=2) + "\n")
    return graph, card


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text())
        if not isinstance(card, dict):
            msg = f"it holds a {type(card).__name__}, not an object"
            raise ValueError(msg)
    except (OSError, ValueError) as error:
        reason = f"is no model card ({error}); delete it to train the model again"
        raise InvalidFile(path, reason) from error
    return card
