"""The nodes of NIR without memory: weights, pooling, Flatten, Scale."""

from math import prod
from typing import Literal

import numpy as np

from neurorobust.formats.nir.reading.parameters import Parameters
from neurorobust.formats.reading import give
from neurorobust.ir import LI, Affine, Array, Conv1d, Conv2d, Flatten, Node, Pool2d


def affine(of: Parameters) -> list[Node]:
    """``y = W x + b``; ``Linear`` has no bias."""
    weight = of.array("weight")
    if weight.ndim != 2:
        what = f"weight has shape {weight.shape}, a stack of matrices"
        raise of.fault(what, "a Graph takes (out, in); split the node")
    bias = of.array("bias") if of.entry.kind == "Affine" else None
    return [Affine(weight=weight, bias=bias)]


def conv(of: Parameters) -> list[Node]:
    """Cross-correlation over one or two axes."""
    kind: type[Conv1d | Conv2d] = Conv1d if of.entry.kind == "Conv1d" else Conv2d
    axes = 1 if kind is Conv1d else 2
    weight = of.array("weight")
    if weight.ndim != axes + 2:
        what = f"weight has shape {weight.shape}"
        raise of.fault(what, f"write (out, in / groups) and {axes} kernel axes")
    stride, dilation = of.whole("stride", axes), of.whole("dilation", axes)
    node = kind(
        weight=weight,
        bias=of.array("bias"),
        stride=stride,
        padding=_padding(of, weight, stride, dilation),
        dilation=dilation,
        groups=of.whole("groups", 1)[0],
    )
    size = of.entry.values.get("input_shape")
    if isinstance(size, np.ndarray):
        of.declared("input_shape", tuple(int(n) for n in size.ravel()), of.arriving[1:])
    return [node]


def _padding(
    of: Parameters, weight: Array, stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[int, ...]:
    given = of.entry.values.get("padding")
    if not isinstance(given, str):
        return of.whole("padding", len(stride))
    if given == "valid":
        return (0,) * len(stride)
    reach = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    if given != "same" or any(r % 2 for r in reach) or set(stride) != {1}:
        what = f"padding {given!r} with kernel {weight.shape[2:]} and stride {stride}"
        raise of.fault(what, "write it in numbers, equal on both sides")
    return tuple(r // 2 for r in reach)


def pool(of: Parameters) -> list[Node]:
    """Sum or average over windows; padding counts as zeros."""
    kernel, stride, padding = (of.whole(k, 2) for k in ("kernel_size", "stride", "padding"))
    average = of.entry.kind == "AvgPool2d"
    op: Literal["avg", "sum"] = "avg" if average else "sum"
    return [Pool2d(op=op, kernel=kernel, stride=stride, padding=padding)]


def flatten(of: Parameters) -> list[Node]:
    """All axes into one; NIR counts them without a batch."""
    counted = of.rules.batch_axis != "none"
    declared = of.entry.values.get("input_type")
    if isinstance(declared, np.ndarray):
        shape = tuple(int(n) for n in declared.ravel())
        of.declared("input_type", shape[of.rules.batch_axis == "all" :], of.arriving)
    axes = len(of.arriving) + counted
    start, end = (d + axes if d < 0 else d for d in (_dim(of, "start_dim"), _dim(of, "end_dim")))
    first, last = start - counted, end - counted
    inside = 0 <= first <= last < len(of.arriving)
    kept = of.arriving[:first] + of.arriving[last + 1 :]
    if not inside or prod(kept) != 1:
        what = f"joins axes {start}..{end} of an input {of.arriving}, a Graph joins all"
        way_out = "write start_dim=0"
        if not counted and start == 1:
            way_out += f", or pass {give('batch_axis', 'flatten')} if axis 0 is meant to be a batch"
        raise of.fault(what, way_out)
    return [Flatten()]


def _dim(of: Parameters, key: str) -> int:
    return of.whole(key, 1)[0]


def scale(of: Parameters) -> list[Node]:
    """``y = s x`` elementwise: an integrator that forgets everything."""
    return [LI(beta=np.zeros(()), gain_in=of.per_neuron("scale"))]
