"""A convolutional LIF network for CIFAR-10 that lowers to Loihi's arithmetic.

Train it with ``python -m neurorobust.zoo.cifar10 --data FOLDER --out FILE``; the folder holds the
data set as Parquet, as on the Hugging Face hub. The file appears after the first epoch and is
replaced after each; the model card is written beside it at the end.

Reference: Krizhevsky, Learning multiple layers of features from tiny images, 2009.
"""

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from neurorobust import __version__, ir
from neurorobust.backends import get_backend
from neurorobust.data import encode
from neurorobust.data.images import load_images
from neurorobust.data.split import LEVELS, Split
from neurorobust.engine.layers import LI, LIF, SpikingSequential
from neurorobust.errors import NeurorobustError
from neurorobust.files import write_atomic
from neurorobust.importers.sequential import from_sequential
from neurorobust.ir.identity import canonical_json
from neurorobust.metrics import Proportion
from neurorobust.zoo.training import Progress, fit

CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)

RECIPE: dict[str, Any] = {
    "architecture": "conv32(5x5,stride 2)-bn-lif-conv64(3x3)-bn-lif-avgpool2-"
    "conv96(3x3)-bn-lif-conv96(3x3,stride 2)-bn-lif-fc10-li",
    "data": "CIFAR-10, 50,000 training images",
    "augmentation": "random crop from 4 pixels of zero padding, random horizontal flip",
    "coding": "direct",
    "steps": 4,
    "beta": 0.75,
    "threshold": 1.0,
    "reset": "hard, to 0, same step",
    "surrogate": "arctan, width 0.5, reset detached",
    "optimiser": "AdamW, one-cycle",
    "learning_rate": 0.004,
    "weight_decay": 0.01,
    "batch": 100,
    "epochs": 8,
    "label_smoothing": 0.05,
    "precision": "bfloat16",
}
"""Everything that decides the weights besides the seed; part of the model card."""

PADDING = 4
"""Zeros around an image before a crop of its own size."""


def build() -> SpikingSequential:
    """The untrained network; its weights follow torch's global generator."""
    lif = ir.LIF(beta=np.array(RECIPE["beta"]), threshold=np.array(RECIPE["threshold"]))
    return SpikingSequential(
        nn.Conv2d(3, 32, 5, stride=2, padding=2, bias=False),
        nn.BatchNorm2d(32),
        LIF(lif),
        nn.Conv2d(32, 64, 3, padding=1, bias=False),
        nn.BatchNorm2d(64),
        LIF(lif),
        nn.AvgPool2d(2),
        nn.Conv2d(64, 96, 3, padding=1, bias=False),
        nn.BatchNorm2d(96),
        LIF(lif),
        nn.Conv2d(96, 96, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(96),
        LIF(lif),
        nn.Flatten(),
        nn.Linear(96 * 4 * 4, 10),
        LI(ir.LI(beta=np.array(1.0), gain_in=np.array(1 / RECIPE["steps"]))),
    )


def augment(pixels: Tensor) -> Tensor:
    """Values in 0..1 of randomly cropped and flipped images.

    Args:
        pixels: Shape (B, C, H, W), uint8; random numbers come from torch's global generator.
    """
    count, _, height, width = pixels.shape
    padded = nn.functional.pad(pixels, [PADDING] * 4)
    top, left = torch.randint(2 * PADDING + 1, (2, count, 1))
    flipped = torch.rand(count, 1) < 0.5
    rows = top + torch.arange(height)
    columns = torch.arange(width)
    columns = left + torch.where(flipped, width - 1 - columns, columns)
    sample = torch.arange(count)[:, None, None]
    cropped = padded.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None]]
    return cropped.permute(0, 3, 1, 2).contiguous().float() / (LEVELS - 1)


def train(
    data: Split,
    *,
    seed: int = 0,
    epochs: int | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> ir.Graph:
    """Train on the CPU; the same seed, torch, processor and threads give the same weights.

    Args:
        data: Training images, (B, 3, 32, 32).
        seed: Of initial weights, batches and augmentation.
        epochs: Overrides the recipe's.
        progress: Called as ``(what, done, total)`` after each epoch.
        checkpoint: Model file that is replaced after each epoch.
    """
    recipe = RECIPE | ({} if epochs is None else {"epochs": epochs})

    def exported() -> ir.Graph:
        header = ir.Header(
            name="cifar10",
            dt_s=1e-3,
            steps=recipe["steps"],
            bounds=(0.0, 1.0),
            levels=LEVELS,
            classes=CLASSES,
            provenance={"seed": str(seed), "recipe": canonical_json(recipe)},
        )
        return from_sequential(model, header=header, input_shape=(3, 32, 32), readout="last")

    def told(epoch: int, loss: float) -> None:
        if checkpoint:
            ir.save_model(exported(), checkpoint)
        if progress:
            progress(f"mean loss {loss:.4f}", epoch, recipe["epochs"])

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build()
        x, y = torch.tensor(data.pixels), torch.tensor(data.labels)
        fit(model, x, y, recipe, prepare=augment, after_epoch=told)
    return exported()


def accuracy(graph: ir.Graph, data: Split, *, batch: int = 200) -> Proportion:
    """Share of right decisions of the float network, in single precision."""
    executable = get_backend("torch").compile(graph, "float", precision="single")
    right = 0
    for start in range(0, len(data), batch):
        part = Split(data.pixels[start : start + batch], data.labels[start : start + batch])
        right += int((executable.run(encode(graph, part.values)).decisions == part.labels).sum())
    return Proportion(right, len(data))


def card(graph: ir.Graph, training: Split, test: Split) -> dict[str, Any]:
    """What the model is, from what, and how good."""
    reached = accuracy(graph, test)
    return {
        "name": "cifar10",
        "content_hash": graph.content_hash,
        "seed": int(graph.header.provenance["seed"]),
        "recipe": json.loads(graph.header.provenance["recipe"]),
        "training_images": len(training),
        "test_images": len(test),
        "image_formats": sorted({*training.formats, *test.formats}),
        "test_accuracy": reached.rate,
        "test_accuracy_interval_95": list(reached.interval),
        "input": "32x32 RGB pixels, 8 bit, as values in 0..1",
        "trained_with": {"neurorobust": __version__, "torch": torch.__version__},
    }


def main() -> None:
    """Train from the command line."""
    parser = ArgumentParser(prog="python -m neurorobust.zoo.cifar10", description=train.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the Parquet files")
    parser.add_argument("--out", type=Path, required=True, help="model file, *.safetensors")
    parser.add_argument("--epochs", type=int, default=RECIPE["epochs"])
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    console, start = Console(highlight=False), time.perf_counter()

    def told(what: str, done: int, total: int) -> None:
        console.print(f"epoch {done} of {total}: {what}, {time.perf_counter() - start:.0f} s")

    try:
        training, test = load_images(asked.data, "train"), load_images(asked.data, "test")
        graph = train(
            training, seed=asked.seed, epochs=asked.epochs, progress=told, checkpoint=asked.out
        )
        written = json.dumps(card(graph, training, test), indent=2) + "\n"
        write_atomic(asked.out.with_suffix(".card.json"), written)
    except NeurorobustError as error:
        parser.exit(1, f"error: {error}\n")
    console.print(written, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
