"""A convolutional LIF network for MNIST: any leak, direct or Bernoulli coding, attacked or not.

Train it with ``python -m neurorobust.zoo.mnist --data FOLDER --out FILE``; the folder holds the
data set as Parquet, as on the Hugging Face hub. Where it has no training part, the first 8,000 test
images are trained on, and only the other 2,000 are left to be reported.

Reference: LeCun, Cortes, Burges, The MNIST database of handwritten digits, 1998.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurorobust import ir
from neurorobust.attacks import Linf, Pgd
from neurorobust.data.images import load_images, part_files
from neurorobust.data.split import Split
from neurorobust.engine.estimators import Rga
from neurorobust.engine.layers import LI, LIF, SpikingSequential
from neurorobust.engine.network import Network
from neurorobust.progress import Progress
from neurorobust.train.loop import train_graph
from neurorobust.zoo.command import run

RECIPE: dict[str, Any] = {
    "architecture": "conv16(3x3)-bn-lif-avgpool2-conv32(3x3)-bn-lif-avgpool2-fc128-lif-fc10-li",
    "data": "MNIST",
    "coding": "direct",
    "steps": 8,
    "beta": 0.9,
    "threshold": 1.0,
    "reset": "hard, to 0, same step",
    "surrogate": "triangle, width 1, reset detached",
    "optimiser": "AdamW, one-cycle",
    "learning_rate": 0.003,
    "weight_decay": 0.001,
    "batch": 100,
    "epochs": 12,
    "label_smoothing": 0.0,
    "adversarial_epsilon": 0.0,
    "adversarial_attack": "PGD, 3 steps, RGA",
}
"""Everything that decides the weights besides seed and images; part of the model card."""

HELD_OUT = 8000
"""First test image that is never trained on where there is no training part."""


def build(recipe: Mapping[str, Any] = RECIPE) -> SpikingSequential:
    """The untrained network; its weights follow torch's global generator."""
    node = ir.LIF(beta=np.array(recipe["beta"]), threshold=np.array(recipe["threshold"]))

    def lif() -> LIF:
        return LIF(node, surrogate="triangle", width=1.0)

    return SpikingSequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        lif(),
        nn.AvgPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        lif(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 128),
        lif(),
        nn.Linear(128, 10),
        LI(ir.LI(beta=np.array(1.0), gain_in=np.array(1 / recipe["steps"]))),
    )


def train(
    data: Split,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    **changed: Any,
) -> ir.Graph:
    """Train on the CPU; the same seed, torch, processor and threads give the same weights.

    Args:
        data: Training images, (B, 1, 28, 28).
        seed: Of initial weights, batches and drawn spikes.
        progress: Called as ``(what, done, total)`` after each epoch.
        checkpoint: Model file that is replaced after each epoch.
        changed: Values that override the recipe's. With an ``adversarial_epsilon`` above 0, of the
            input range, the network is trained on what PGD makes of the images in three steps.
    """
    recipe = RECIPE | changed

    def prepare(values: Tensor, labels: Tensor, exported: Callable[[], ir.Graph]) -> Tensor:
        if not recipe["adversarial_epsilon"]:
            return values
        network = Network(exported(), dtype=torch.float32)
        threat = Linf.of(network.graph.header, recipe["adversarial_epsilon"])
        start = int(torch.randint(2**31, ()))
        attack = Pgd(Rga(), steps=3, relative_step=0.5)
        made = attack(network, values.numpy(), labels.numpy(), threat, seed=start, eot=1, votes=1)
        return torch.from_numpy(made.adversarial).float()

    return train_graph(
        recipe,
        build,
        torch.tensor(data.values, dtype=torch.float32),
        torch.tensor(data.labels),
        name="mnist",
        classes="0123456789",
        seed=seed,
        prepare=prepare,
        progress=progress,
        checkpoint=checkpoint,
    )


def parts(folder: Path) -> tuple[Split, Split]:
    """Images to train on and images to report."""
    test = load_images(folder, "test")
    if part_files(folder, "train") or len(test) <= HELD_OUT:
        return load_images(folder, "train"), test
    rest = slice(HELD_OUT, None)
    return test.head(HELD_OUT), Split(test.pixels[rest], test.labels[rest], test.formats)


if __name__ == "__main__":
    run("mnist", train, parts, RECIPE)
