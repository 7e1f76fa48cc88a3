"""A convolutional LIF network for MNIST: any leak, direct or Bernoulli coding, attacked or not.

Train it with ``python -m neurorobust.zoo.mnist --data FOLDER --out FILE``; the folder holds the
data set as Parquet, as on the Hugging Face hub. Where it has no training part, the first 8,000 test
images are trained on, and only the other 2,000 are left to be reported.

Reference: LeCun, Cortes, Burges, The MNIST database of handwritten digits, 1998.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neurorobust.attacks import Linf, Pgd
from neurorobust.data import Samples, load
from neurorobust.data.parquet import part_files
from neurorobust.engine.estimators import Rga
from neurorobust.engine.layers import LIF, SpikingSequential
from neurorobust.engine.network import Network
from neurorobust.ir import Graph
from neurorobust.train.layers import convolution, neuron, readout
from neurorobust.train.loop import Trainer, as_values
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


def build(recipe: Mapping[str, Any]) -> SpikingSequential:
    """The untrained network; its weights follow torch's global generator."""

    def lif() -> LIF:
        return LIF(neuron(recipe), surrogate="triangle", width=1.0)

    return SpikingSequential(
        *convolution(1, 16, 3, lif),
        nn.AvgPool2d(2),
        *convolution(16, 32, 3, lif),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 128),
        lif(),
        nn.Linear(128, 10),
        readout(recipe),
    )


def prepare(
    pixels: Tensor, labels: Tensor, recipe: Mapping[str, Any], exported: Callable[[], Graph]
) -> Tensor:
    """The values of the images, or what PGD makes of them in three steps.

    It does with an ``adversarial_epsilon`` above 0, of the input range.
    """
    values = as_values(pixels)
    if not recipe["adversarial_epsilon"]:
        return values
    network = Network(exported(), dtype=torch.float32)
    threat = Linf.of(network.graph.header, recipe["adversarial_epsilon"])
    start = int(torch.randint(2**31, ()))
    attack = Pgd(Rga(), steps=3, relative_step=0.5)
    made = attack(network, values.numpy(), labels.numpy(), threat, seed=start, eot=1, votes=1)
    return torch.from_numpy(made.adversarial).float()


train = Trainer(name="mnist", classes="0123456789", recipe=RECIPE, build=build, prepare=prepare)
"""Of images (B, 1, 28, 28); drawn spikes and attacks follow the seed too."""


def parts(folder: Path) -> tuple[Samples, Samples]:
    """Images to train on and images to report."""
    test = load(folder)
    if part_files(folder, "train") or len(test) <= HELD_OUT:
        return load(folder, "train"), test
    return test[:HELD_OUT], test[HELD_OUT:]


if __name__ == "__main__":
    run(train, parts)
