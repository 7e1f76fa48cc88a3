"""VGG networks of LIF neurons, untrained: convolutions, batch norm and average pooling.

Reference: Simonyan, Zisserman, Very deep convolutional networks for large-scale image recognition,
ICLR 2015; in the form of Bu et al., CVPR 2023: pooling by mean, a head of two hidden layers of LIF.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod, sqrt

import numpy as np
import torch
from torch import Tensor

from neurorobust import ir
from neurorobust.engine.network import Network, Trace
from neurorobust.errors import InvalidInput
from neurorobust.ir.linear import batch_norm_as_scale

Stage = Sequence[int]
"""Channels of convolutions one after another; a stage ends in pooling by two."""

VGG11: tuple[tuple[Stage, ...], Stage] = ((64,), (128, 256), (512, 512, 512)), (512, 512)
"""Stages that end in pooling, and the convolutions after them."""
HIDDEN = (4096, 4096)
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
"""Of the pixels of CIFAR-10, in 0..1."""


def vgg11(
    *,
    classes: int = 10,
    steps: int = 8,
    beta: float = 1.0,
    threshold: float = 1.0,
    input_shape: ir.Shape = (3, 32, 32),
    hidden: Sequence[int] = HIDDEN,
    width: float = 1.0,
    seed: int = 0,
) -> ir.Graph:
    """Eight convolutions and three affine layers, with random weights (He et al., 2015).

    Args:
        classes: Number of scores, at least 1.
        steps: Number of steps T.
        beta: Membrane decay.
        threshold: Firing threshold; the reset is hard.
        input_shape: (C, H, W); three channels are preprocessed as CIFAR-10.
        hidden: Sizes of the hidden layers of the head.
        width: Factor on all channels, above 0.
        seed: Of the weights.

    Raises:
        InvalidInput: for a width that leaves no channel.
    """
    pooled, rest = VGG11
    draw = np.random.default_rng(seed)
    nodes: dict[str, ir.Node] = {"input": ir.Input(shape=input_shape)}
    shape, count = input_shape, 0

    def add(name: str, node: ir.Node) -> None:
        nonlocal shape
        nodes[name] = node
        shape = node.output_shape(shape)

    def lif(name: str) -> None:
        add(name, ir.LIF(beta=np.array(beta), threshold=np.array(threshold)))

    for number, stage in enumerate((*pooled, rest), start=1):
        for full in stage:
            count += 1
            channels = round(full * width)
            if channels < 1:
                raise InvalidInput(f"width {width} leaves no channel of {full}; give a larger one")
            weight = _weights(draw, (channels, shape[0], 3, 3), fan=9 * channels)
            bias = _offsets(draw, channels, fan=9 * shape[0])
            add(f"conv{count}", ir.Conv2d(weight=weight, bias=bias, padding=(1, 1)))
            add(f"norm{count}", _neutral_norm(channels))
            lif(f"lif{count}")
        if number <= len(pooled):
            add(f"pool{number}", ir.Pool2d(op="avg", kernel=(2, 2), stride=(2, 2)))
    add("flatten", ir.Flatten())
    for index, size in enumerate((*hidden, classes), start=1):
        fan = prod(shape)
        add(
            f"fc{index}",
            ir.Affine(weight=_weights(draw, (size, fan), fan=fan), bias=np.zeros(size)),
        )
        if index <= len(hidden):
            lif(f"lif{count + index}")
    nodes["output"] = ir.Output(readout="mean")
    colour = input_shape[0] == len(MEAN)
    header = ir.Header(
        name="vgg11",
        dt_s=1e-3,
        steps=steps,
        levels=256,
        mean=MEAN if colour else (),
        std=STD if colour else (),
    )
    return ir.Graph.chain(header, **nodes)


def calibrated(graph: ir.Graph, images: Tensor) -> ir.Graph:
    """The same weights with batch-norm statistics of these images, so that every layer fires.

    Args:
        graph: A chain in which a LIF follows every batch norm, as in ``vgg11``.
        images: Values (B, C, H, W); a few are enough.
    """
    for name in graph.order:
        node = graph.nodes[name]
        if not isinstance(node, ir.BatchNorm):
            continue
        trace = Trace()
        with torch.no_grad():
            network = Network(graph, dtype=torch.float32)
            network.run(images[:, None], graph.header.steps, trace=trace)
        (after,) = (edge.target for edge in graph.outgoing(name))
        factor, offset = (torch.tensor(v)[:, None, None] for v in batch_norm_as_scale(node))
        current = (trace.drive[after] - offset) / factor
        var, mean = torch.var_mean(current, (0, 1, 3, 4))
        new = replace(node, mean=mean.float().numpy(), var=var.float().numpy())
        graph = graph.with_(nodes={**graph.nodes, name: new})
    return graph


def _weights(draw: np.random.Generator, shape: ir.Shape, *, fan: int) -> ir.Array:
    return (draw.standard_normal(shape) * sqrt(2 / fan)).astype(np.float32)


def _offsets(draw: np.random.Generator, size: int, *, fan: int) -> ir.Array:
    return (draw.uniform(-1, 1, size) / sqrt(fan)).astype(np.float32)


def _neutral_norm(channels: int) -> ir.BatchNorm:
    one, zero = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    return ir.BatchNorm(mean=zero, var=one, scale=one, shift=zero)
