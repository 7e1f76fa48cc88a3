"""Sliding windows: the one piece of geometry that convolution and pooling share."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from neurorobust.ir import Array, Conv1d, Conv2d, Shape


def windows(
    x: Array, kernel: Shape, *, stride: Shape, padding: Shape, dilation: Shape, fill: float = 0
) -> Array:
    """All windows of the padded input.

    Args:
        x: Shape (B, C, *size).
        kernel: Taps per spatial axis.
        stride: Steps between windows.
        padding: Entries of ``fill`` on both sides of each spatial axis.
        dilation: Distance between taps.
        fill: Value of the padding.

    Returns:
        Shape (B, C, *positions, *kernel).
    """
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)], constant_values=fill)
    spatial = tuple(range(2, x.ndim))
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    everywhere = sliding_window_view(padded, reach, axis=spatial)
    steps = tuple(slice(None, None, s) for s in (*stride, *dilation))
    return everywhere[:, :, *steps]


def correlate(x: Array, weight: Array, node: Conv1d | Conv2d) -> Array:
    """Cross-correlation with zero padding; block g of the outputs reads block g of the channels.

    Args:
        x: Shape (B, C, *size).
        weight: Shape (K, C / groups, *kernel).
        node: States stride, padding, dilation and the number g of groups.

    Returns:
        Shape (B, K, *positions), in the type of the operands.
    """
    kernel = weight.shape[2:]
    taps = windows(x, kernel, stride=node.stride, padding=node.padding, dilation=node.dilation)
    summed = (1, *range(taps.ndim - len(kernel), taps.ndim))  # channels and kernel axes
    over = tuple(range(1, weight.ndim))
    blocks = [
        np.tensordot(taps_of_block, weight_of_block, axes=(summed, over))
        for taps_of_block, weight_of_block in zip(
            np.split(taps, node.groups, axis=1), np.split(weight, node.groups, axis=0), strict=True
        )
    ]
    return np.moveaxis(np.concatenate(blocks, axis=-1), -1, 1)
