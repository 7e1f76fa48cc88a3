"""Sliding windows from plain gathering: onnxruntime convolves and averages in float32 only."""

import numpy as np

from neurorobust.formats.onnx.writing.cell import Cell
from neurorobust.ir import Array, Conv1d, Conv2d, Shape


def taps(
    cell: Cell, kernel: Shape, *, stride: Shape, padding: Shape, dilation: Shape
) -> tuple[str, int, int]:
    """All windows of the input, zeros around it.

    Returns:
        Name of the values (B, C, K, P), and the numbers K of taps and P of positions.
    """
    sheet, (channels, *size) = cell.sheet, cell.given
    x = cell.x
    if any(padding):
        pads = (0, 0, *padding)
        x = sheet.op("Pad", x, sheet.integers([*pads, *pads]))
    padded = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
    index = _index(padded, kernel, stride, dilation)
    flat = sheet.op("Reshape", x, sheet.integers([0, channels, int(np.prod(padded))]))
    values = sheet.op("Gather", flat, sheet.constant(index, np.int64), axis=2)
    return values, index.shape[0], index.shape[1]


def _index(size: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Array:
    """Which entry of the flat, padded input each tap of each window reads: (K, P)."""
    axes = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        starts = np.arange(0, n - d * (k - 1), s)
        axes.append(np.arange(k)[:, None] * d + starts)
    index = np.zeros((1, 1), np.int64)
    for n, axis in zip(size, axes, strict=True):
        both = index[:, None, :, None] * n + axis[None, :, None, :]
        index = both.reshape(index.shape[0] * axis.shape[0], index.shape[1] * axis.shape[1])
    return index


def correlate(cell: Cell, node: Conv1d | Conv2d) -> str:
    """Cross-correlation with zero padding, without bias, as one matrix product per group."""
    sheet, groups = cell.sheet, node.groups
    out, per_group, *kernel = node.weight.shape
    rows = per_group * int(np.prod(kernel))
    values, _, positions = taps(
        cell, tuple(kernel), stride=node.stride, padding=node.padding, dilation=node.dilation
    )
    weight = cell.parameter("weight")
    blocks = cell.prepared(
        "blocks",
        lambda s: s.op("Reshape", weight, s.integers([groups, out // groups, rows])),
    )
    columns = sheet.op("Reshape", values, sheet.integers([0, groups, rows, positions]))
    product = sheet.op("MatMul", blocks, columns)
    return sheet.op("Reshape", product, sheet.integers([0, *cell.shape]))
