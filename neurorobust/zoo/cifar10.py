"""A convolutional LIF network for CIFAR-10 that lowers to Loihi's arithmetic.

Train it with ``python -m neurorobust.zoo.cifar10 --data FOLDER --out FILE``; the folder holds the
data set as Parquet, as on the Hugging Face hub. The file appears after the first epoch and is
replaced after each; the model card is written beside it at the end.

Reference: Krizhevsky, Learning multiple layers of features from tiny images, 2009.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from neurorobust.engine.layers import LIF, SpikingSequential
from neurorobust.train.layers import convolution, neuron, readout
from neurorobust.train.loop import Trainer, as_values
from neurorobust.zoo.command import run

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


def build(recipe: Mapping[str, Any]) -> SpikingSequential:
    """The untrained network; its weights follow torch's global generator."""

    def lif() -> LIF:
        return LIF(neuron(recipe))

    return SpikingSequential(
        *convolution(3, 32, 5, lif, stride=2),
        *convolution(32, 64, 3, lif),
        nn.AvgPool2d(2),
        *convolution(64, 96, 3, lif),
        *convolution(96, 96, 3, lif, stride=2),
        nn.Flatten(),
        nn.Linear(96 * 4 * 4, 10),
        readout(recipe),
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
    return as_values(cropped.permute(0, 3, 1, 2).contiguous())


train = Trainer(
    name="cifar10",
    classes=CLASSES,
    recipe=RECIPE,
    build=build,
    prepare=lambda pixels, *_: augment(pixels),
)
"""Of images (B, 3, 32, 32); augmentation follows the seed too."""


if __name__ == "__main__":
    run(train)
