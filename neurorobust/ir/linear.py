"""Maps without memory: Affine, Conv1d, Conv2d, BatchNorm, Pool2d."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from neurorobust.ir.base import Array, Node, Shape, ShapeError, array, geometry_faults, windows
from neurorobust.names import known_are

PoolKind = Literal["avg", "sum", "max"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Affine(Node):
    """``y = W x + b``.

    Attributes:
        weight: Shape (out, in).
        bias: Shape (out,), or None for no bias.
    """

    weight: Array = array()
    bias: Array | None = array(None)

    def output_shape(self, input_shape: Shape) -> Shape:
        """``(in,) -> (out,)``."""
        if input_shape != self.weight.shape[1:]:
            msg = f"weight {self.weight.shape} takes {self.weight.shape[1:]}, got {input_shape}"
            raise ShapeError(msg)
        return self.weight.shape[:1]

    def faults(self) -> Iterable[str]:
        """Faults of weight and bias."""
        yield from super(Affine, self).faults()
        if self.weight.ndim != 2:
            yield f"weight has shape {self.weight.shape}; an Affine takes (out, in)"
        yield from _bias_faults(self.weight, self.bias)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Conv(Node):
    """Cross-correlation with zero padding, as in torch; the common part of Conv1d and Conv2d.

    Attributes:
        weight: Shape (out, in / groups, *kernel).
        bias: Shape (out,), or None.
        stride: Steps between windows, one per spatial axis.
        padding: Zeros on both sides, one number per spatial axis.
        dilation: Distance between taps, one per spatial axis.
        groups: Number of independent blocks of channels.
    """

    weight: Array = array()
    bias: Array | None = array(None)
    stride: Shape
    padding: Shape
    dilation: Shape
    groups: int = 1

    def output_shape(self, input_shape: Shape) -> Shape:
        """``(C, *size) -> (K, *windows)``."""
        spatial = len(self.stride)
        channels = self.weight.shape[1] * self.groups
        if len(input_shape) != spatial + 1 or input_shape[0] != channels:
            axes = ("L",) if spatial == 1 else ("H", "W")
            raise ShapeError(f"takes ({channels}, {', '.join(axes)}), got {input_shape}")
        kernel = self.weight.shape[2:]
        out = windows(input_shape[1:], kernel, self.stride, self.padding, self.dilation)
        return (self.weight.shape[0], *out)

    def faults(self) -> Iterable[str]:
        """Faults of weight, bias and geometry."""
        yield from super(Conv, self).faults()
        spatial = len(self.stride)
        if self.weight.ndim != spatial + 2:
            shape = self.weight.shape
            yield f"weight has shape {shape}; takes (out, in/groups) and {spatial} kernel axes"
            return
        if {len(self.padding), len(self.dilation)} != {spatial}:
            given = f"{self.stride}, {self.padding}, {self.dilation}"
            yield f"stride, padding and dilation differ in length: {given}"
            return
        yield from geometry_faults(
            stride=self.stride, padding=self.padding, dilation=self.dilation, groups=(self.groups,)
        )
        if self.groups > 0 and self.weight.shape[0] % self.groups:
            yield f"{self.weight.shape[0]} output channels do not split into {self.groups} groups"
        yield from _bias_faults(self.weight, self.bias)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Conv1d(Conv):
    """Convolution over ``(C, L)``."""

    stride: Shape = (1,)
    padding: Shape = (0,)
    dilation: Shape = (1,)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Conv2d(Conv):
    """Convolution over ``(C, H, W)``; geometry is (height, width)."""

    stride: Shape = (1, 1)
    padding: Shape = (0, 0)
    dilation: Shape = (1, 1)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class BatchNorm(Node):
    """``y = (x - mean) / sqrt(var + eps) * scale + shift`` per channel, with frozen statistics.

    Attributes:
        mean: Running mean, shape (C,).
        var: Running variance, shape (C,), at least 0.
        scale: Shape (C,).
        shift: Shape (C,).
        eps: Added to the variance, above 0.
    """

    mean: Array = array()
    var: Array = array()
    scale: Array = array()
    shift: Array = array()
    eps: float = 1e-5

    def output_shape(self, input_shape: Shape) -> Shape:
        """Unchanged; the first axis is the channel."""
        if input_shape[:1] != self.mean.shape:
            msg = f"has statistics of {self.mean.shape} channels, got an input {input_shape}"
            raise ShapeError(msg)
        return input_shape

    def faults(self) -> Iterable[str]:
        """Faults of the statistics."""
        yield from super(BatchNorm, self).faults()
        shapes = {name: value.shape for name, value in self.arrays().items()}
        if len(set(shapes.values())) != 1 or self.mean.ndim != 1:
            yield f"mean, var, scale and shift must all be (C,), got {shapes}"
        if (self.var < 0).any():
            yield f"var has {int((self.var < 0).sum())} negative value(s)"
        if not (self.eps > 0 and math.isfinite(self.eps)):
            yield f"eps is {self.eps}; it must be finite and above 0"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Pool2d(Node):
    """Average, sum or maximum over windows of ``(C, H, W)``; padding counts as zeros (not in max).

    Attributes:
        op: ``avg``, ``sum`` or ``max``.
        kernel: Window, (height, width).
        stride: Steps between windows.
        padding: On both sides, at most half the kernel.
    """

    op: PoolKind
    kernel: Shape
    stride: Shape
    padding: Shape = (0, 0)

    def output_shape(self, input_shape: Shape) -> Shape:
        """``(C, H, W) -> (C, *windows)``."""
        if len(input_shape) != 3:
            raise ShapeError(f"takes (C, H, W), got {input_shape}")
        one = (1,) * len(self.kernel)
        out = windows(input_shape[1:], self.kernel, self.stride, self.padding, one)
        return (input_shape[0], *out)

    def faults(self) -> Iterable[str]:
        """Faults of geometry and kind."""
        if self.op not in get_args(PoolKind):
            yield f"op is {self.op!r}; {known_are(self.op, get_args(PoolKind))}"
        if {len(self.kernel), len(self.stride), len(self.padding)} != {2}:
            yield "kernel, stride and padding take two entries (height, width)"
            return
        yield from geometry_faults(kernel=self.kernel, stride=self.stride, padding=self.padding)
        if any(2 * p > k for p, k in zip(self.padding, self.kernel, strict=True)):
            yield f"padding {self.padding} exceeds half the kernel {self.kernel}"


def batch_norm_as_scale(node: BatchNorm) -> tuple[Array, Array]:
    """Factor and offset of ``y = factor * x + offset``, each of shape (C,), in double precision."""
    factor = node.scale.astype(np.float64) / np.sqrt(node.var.astype(np.float64) + node.eps)
    return factor, node.shift - node.mean * factor


def _bias_faults(weight: Array, bias: Array | None) -> Iterable[str]:
    if bias is not None and weight.ndim and bias.shape != weight.shape[:1]:
        yield f"bias has shape {bias.shape}; the weight {weight.shape} needs {weight.shape[:1]}"
