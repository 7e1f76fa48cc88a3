"""Nodes without memory in floats: preprocessing, Affine, convolution, BatchNorm, pooling."""

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from neurorobust.formats.onnx.writing.cell import Cell, Laws, Written
from neurorobust.formats.onnx.writing.windows import correlate, taps
from neurorobust.ir import Affine, BatchNorm, Conv1d, Conv2d, Flatten, Header, Output, Pool2d

if TYPE_CHECKING:
    from neurorobust.formats.onnx.writing.writer import Sheet


def preprocess(cell: Cell, header: Header) -> str:
    """``(x - mean) / std`` per channel; what the header leaves out is not applied."""
    x, sheet = cell.x, cell.sheet
    per_channel = (-1, *(1,) * (len(cell.shape) - 1))
    for op, values in (("Sub", header.mean), ("Div", header.std)):
        if values:
            array = np.asarray(values, cell.dtype).reshape(per_channel)
            x = sheet.op(op, x, sheet.constant(array, cell.dtype))
    return x


def flatten(cell: Cell) -> Written:
    """One axis out of all, in C order."""
    return Written(cell.sheet.op("Reshape", cell.x, cell.sheet.integers([0, *cell.shape])))


def output(cell: Cell) -> Written:
    """What arrives."""
    return Written(cell.sheet.op("Identity", cell.x))


def affine(cell: Cell) -> Written:
    """``y = W x + b``."""
    bias = [cell.parameter("bias")] if "bias" in cell.node.arrays() else []
    return Written(cell.sheet.op("Gemm", cell.x, cell.parameter("weight"), *bias, transB=1))


def convolution(cell: Cell) -> Written:
    """``y = W * x + b``, cross-correlation."""
    node = cast("Conv1d | Conv2d", cell.node)
    if cell.exact:
        y = correlate(cell, node)
        if node.bias is not None:
            y = cell.sheet.op("Add", y, _per_channel(cell, "bias"))
        return Written(y)
    inputs = [cell.parameter(name) for name in ("weight", "bias") if name in node.arrays()]
    y = cell.sheet.op(
        "Conv",
        cell.x,
        *inputs,
        strides=node.stride,
        pads=(*node.padding, *node.padding),
        dilations=node.dilation,
        group=node.groups,
    )
    return Written(y)


def batch_norm(cell: Cell) -> Written:
    """``y = (x - mean) / sqrt(var + eps) * scale + shift``."""
    node = cast("BatchNorm", cell.node)
    sheet = cell.sheet

    var, shape = cell.parameter("var"), _channel_shape(cell)

    def spread(s: "Sheet") -> str:
        width = s.op("Sqrt", s.op("Add", var, s.constant(node.eps, cell.dtype)))
        return s.op("Reshape", width, s.integers(shape))

    y = sheet.op("Sub", cell.x, _per_channel(cell, "mean"))
    y = sheet.op(
        "Mul", sheet.op("Div", y, cell.prepared("spread", spread)), _per_channel(cell, "scale")
    )
    return Written(sheet.op("Add", y, _per_channel(cell, "shift")))


def pool(cell: Cell) -> Written:
    """Average, sum or maximum of each window; only the maximum ignores the padding."""
    node, sheet = cast("Pool2d", cell.node), cell.sheet
    window: dict[str, Any] = {
        "kernel_shape": node.kernel,
        "strides": node.stride,
        "pads": (*node.padding, *node.padding),
    }
    if node.op == "max":
        return Written(sheet.op("MaxPool", cell.x, **window))
    if node.op == "avg" and not cell.exact:
        return Written(sheet.op("AveragePool", cell.x, count_include_pad=1, **window))
    values, _, _ = taps(
        cell, node.kernel, stride=node.stride, padding=node.padding, dilation=(1, 1)
    )
    reduce = "ReduceSum" if node.op == "sum" else "ReduceMean"
    pooled = sheet.op(reduce, values, sheet.integers([2]), keepdims=0)
    return Written(sheet.op("Reshape", pooled, sheet.integers([0, *cell.shape])))


def _channel_shape(cell: Cell) -> list[int]:
    return [-1, *(1,) * (len(cell.shape) - 1)]


def _per_channel(cell: Cell, name: str) -> str:
    """A parameter (C,) as (C, 1, ...)."""
    value = cell.parameter(name)
    shape = _channel_shape(cell)
    return cell.prepared(name, lambda s: s.op("Reshape", value, s.integers(shape)))


MAP_LAWS: Laws = {
    Flatten: flatten,
    Output: output,
    Affine: affine,
    Conv1d: convolution,
    Conv2d: convolution,
    BatchNorm: batch_norm,
    Pool2d: pool,
}
