"""Float rung, nodes without memory: preprocessing, Affine, convolution, BatchNorm, pooling."""

import numpy as np

from neurorobust.ir import Affine, Array, BatchNorm, Conv1d, Conv2d, Flatten, Header, Input, Pool2d
from neurorobust_reference.unit import Map, Setting
from neurorobust_reference.windows import correlate, windows

_REDUCE = {"avg": "mean", "sum": "sum", "max": "max"}


def per_channel(values: Array, ndim: int) -> Array:
    """Shape (C,) as (C, 1, ...), to act on the first axis after the batch."""
    return values.reshape(-1, *(1,) * (ndim - 2))


def preprocess(x: Array, header: Header) -> Array:
    """``(x - mean) / std`` per channel; what the header leaves out is not applied."""
    if header.mean:
        x = x - per_channel(np.asarray(header.mean, x.dtype), x.ndim)
    if header.std:
        x = x / per_channel(np.asarray(header.std, x.dtype), x.ndim)
    return x


def input_law(_node: Input, setting: Setting) -> Map:
    """The stimulus after the header's preprocessing."""
    return Map(lambda x: preprocess(x.astype(setting.dtype), setting.header))


def flatten_law(_node: Flatten, setting: Setting) -> Map:
    """One axis out of all, in C order."""
    return Map(lambda x: x.reshape(setting.shape))


def affine_law(node: Affine, setting: Setting) -> Map:
    """``y = W x + b``."""
    weight = node.weight.astype(setting.dtype)
    bias = np.zeros(len(weight)) if node.bias is None else node.bias
    bias = bias.astype(setting.dtype)
    return Map(lambda x: x @ weight.T + bias)


def conv_law(node: Conv1d | Conv2d, setting: Setting) -> Map:
    """``y = W * x + b``, cross-correlation."""
    weight = node.weight.astype(setting.dtype)
    bias = np.zeros(len(weight)) if node.bias is None else node.bias
    bias = per_channel(bias.astype(setting.dtype), weight.ndim)
    return Map(lambda x: correlate(x, weight, node) + bias)


def batch_norm_law(node: BatchNorm, setting: Setting) -> Map:
    """``y = (x - mean) / sqrt(var + eps) * scale + shift``."""
    mean, var, scale, shift = (
        per_channel(value.astype(setting.dtype), len(setting.shape))
        for value in (node.mean, node.var, node.scale, node.shift)
    )
    return Map(lambda x: (x - mean) / np.sqrt(var + node.eps) * scale + shift)


def pool_law(node: Pool2d, _setting: Setting) -> Map:
    """Average, sum or maximum of each window; only the maximum ignores the padding."""
    fill = -np.inf if node.op == "max" else 0.0

    def law(x: Array) -> Array:
        taps = windows(
            x, node.kernel, stride=node.stride, padding=node.padding, dilation=(1, 1), fill=fill
        )
        pooled: Array = getattr(taps, _REDUCE[node.op])(axis=(-2, -1))
        return pooled

    return Map(law)
