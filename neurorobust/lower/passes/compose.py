"""Two linear maps, one behind the other, as one: ``B(A x) = (B A) x``.

Layouts are those of ``neurorobust.ir.linear``. With taps ``i`` of A and ``j`` of B, per axis::

    y[o] = sum_j B[j] z[o s2 + j d2 - p2]         z[m] = sum_i A[i] x[m s1 + i d1 - p1]
         = sum_ij B[j] A[i] x[o s1 s2 + (j d2 s1 + i d1) - (p2 s1 + p1)]

which is a convolution of stride ``s1 s2`` and padding ``p1 + p2 s1``. It is the same map only where
each ``z`` that B pads with zeros would be zero by A's windows as well; this is checked.
"""

from dataclasses import replace
from math import gcd, prod

import numpy as np

from neurorobust.ir import Affine, Array, BatchNorm, Conv2d, Node, Shape
from neurorobust.ir.base import windows
from neurorobust.ir.linear import batch_norm_as_scale
from neurorobust.lower.passes.pool_to_conv import regrouped
from neurorobust.lower.population.limits import GROUPS_MAX

Map = Affine | Conv2d | BatchNorm


class NoSingleMapError(ValueError):
    """Two maps that no single one equals; says why."""


def compose(first: Map, second: Map, shape: Shape, between: Shape) -> Affine | Conv2d:
    """The linear part of ``second(first(x))``, with the bias of ``second`` alone.

    Args:
        first: Reads an input of ``shape``.
        second: Reads what ``first`` gives, flattened where it takes one axis.
        shape: Of the input.
        between: Of what ``first`` gives, before it is flattened.

    Raises:
        NoSingleMapError: if ``second`` pads where ``first`` would not give zeros.
    """
    if isinstance(first, BatchNorm):
        factor = batch_norm_as_scale(first)[0]
        if isinstance(second, Conv2d):
            return replace(second, weight=second.weight * _per_input(factor, second))
        if isinstance(second, Affine):
            whole = np.broadcast_to(factor.reshape(-1, *[1] * (len(between) - 1)), between)
            return replace(second, weight=second.weight * whole.ravel())
        first = norm_as_map(first, shape)
    if isinstance(second, BatchNorm):
        flat = len(between) > 1 and len(second.mean) != between[0]
        second = norm_as_map(second, (prod(between),) if flat else between)
    if isinstance(first, Conv2d) and isinstance(second, Conv2d):
        return _two_convolutions(first, second, shape)
    assert isinstance(second, Affine)  # noqa: S101  # no convolution reads what was flattened
    if isinstance(first, Affine):
        return replace(second, weight=second.weight @ first.weight)
    return replace(second, weight=_behind_convolution(first, second.weight, shape, between))


def norm_as_map(norm: BatchNorm, shape: Shape) -> Affine | Conv2d:
    """A batch norm alone: a diagonal matrix, or a 1×1 convolution with one kernel per channel."""
    factor, offset = batch_norm_as_scale(norm)
    if len(shape) == 1:
        return Affine(weight=np.diag(factor), bias=offset)
    channels = len(factor)
    groups = max(g for g in range(1, min(GROUPS_MAX, channels) + 1) if channels % g == 0)
    weight = regrouped(factor.reshape(-1, 1, 1, 1), channels, groups)
    return Conv2d(weight=weight, bias=offset, groups=groups)


def offset_of(node: Map, shape: Shape) -> Array | None:
    """What a map of output ``shape`` gives for zeros; None if that is zero."""
    bias = batch_norm_as_scale(node)[1] if isinstance(node, BatchNorm) else node.bias
    if bias is None or not bias.any():
        return None
    return np.array(np.broadcast_to(bias.reshape(-1, *[1] * (len(shape) - 1)), shape), np.float64)


def applied(node: Map, image: Array) -> Array:
    """The linear part of a map on one image, flattened where the map takes one axis."""
    if isinstance(node, BatchNorm):
        factor = batch_norm_as_scale(node)[0]
        image = image.ravel() if len(factor) != len(image) else image
        scaled: Array = image * factor.reshape(-1, *[1] * (image.ndim - 1))
        return scaled
    if isinstance(node, Affine):
        product: Array = node.weight.astype(np.float64) @ image.ravel()
        return product
    import torch  # not at the top: folding is part of asking what a backend can run

    kernel = torch.tensor(node.weight.astype(np.float64))
    geometry = (node.stride, node.padding, node.dilation, node.groups)
    given = torch.conv2d(torch.tensor(image)[None], kernel, None, *geometry)
    result: Array = given[0].numpy()
    return result


def _per_input(factor: Array, conv: Conv2d) -> Array:
    """One factor per input channel, laid out as the kernels of a grouped convolution."""
    out = len(conv.weight)
    by_group = factor.reshape(conv.groups, -1)
    rows = by_group[np.arange(out) * conv.groups // out]
    return np.asarray(rows.reshape(out, -1, 1, 1))


def _two_convolutions(first: Conv2d, second: Conv2d, shape: Shape) -> Conv2d:
    for axis in (0, 1):
        _require_zeros_where_padded(first, second, shape[1 + axis], axis)
    groups = gcd(first.groups, second.groups)
    a = regrouped(first.weight, first.groups, groups).astype(np.float64)
    b = regrouped(second.weight, second.groups, groups).astype(np.float64)
    # A tap j of B moves A's window by `far`, a tap i of A reads `near` further.
    far = [d * s for d, s in zip(second.dilation, first.stride, strict=True)]
    near = first.dilation
    taps = list(zip(b.shape[2:], a.shape[2:], far, near, strict=True))
    unit = [gcd(f * (j > 1), n * (i > 1)) or 1 for j, i, f, n in taps]
    size = [
        ((j - 1) * f + (i - 1) * n) // u + 1 for (j, i, f, n), u in zip(taps, unit, strict=True)
    ]
    blocks = a.reshape(groups, -1, *a.shape[1:])
    weight = np.zeros((groups, len(b) // groups, a.shape[1], *size))
    tops = b.reshape(groups, len(b) // groups, *b.shape[1:])
    step_y, step_x = (max(n // u, 1) for n, u in zip(near, unit, strict=True))
    for y in range(b.shape[2]):
        for x in range(b.shape[3]):
            at_y, at_x = y * far[0] // unit[0], x * far[1] // unit[1]
            end_y, end_x = (at_y + (a.shape[2] - 1) * step_y, at_x + (a.shape[3] - 1) * step_x)
            place = weight[..., at_y : end_y + 1 : step_y, at_x : end_x + 1 : step_x]
            place += np.einsum("gom,gmiyx->goiyx", tops[..., y, x], blocks)
    return Conv2d(
        weight=weight.reshape(len(b), *weight.shape[2:]),
        bias=second.bias,
        stride=tuple(x * y for x, y in zip(first.stride, second.stride, strict=True)),
        padding=(
            first.padding[0] + second.padding[0] * first.stride[0],
            first.padding[1] + second.padding[1] * first.stride[1],
        ),
        dilation=(unit[0], unit[1]),
        groups=groups,
    )


def _require_zeros_where_padded(first: Conv2d, second: Conv2d, size: int, axis: int) -> None:
    def given(node: Conv2d) -> tuple[int, int, int, int]:
        return (
            node.weight.shape[2 + axis],
            node.stride[axis],
            node.padding[axis],
            node.dilation[axis],
        )

    (k1, s1, p1, d1), (k2, s2, p2, d2) = given(first), given(second)
    (middle,) = windows((size,), (k1,), (s1,), (p1,), (d1,))
    (last,) = windows((middle,), (k2,), (s2,), (p2,), (d2,))
    reads = (np.arange(last)[:, None] * s2 + np.arange(k2) * d2 - p2).ravel()
    padded = np.unique(reads[(reads < 0) | (reads >= middle)])
    seen = padded[:, None] * s1 + np.arange(k1) * d1 - p1
    if ((seen >= 0) & (seen < size)).any():
        what = ("height", "width")[axis]
        raise NoSingleMapError(
            f"its padding stands where windows of {k1} in steps of {s1} still see the input "
            f"({what} {size})"
        )


def _behind_convolution(conv: Conv2d, weight: Array, shape: Shape, between: Shape) -> Array:
    """The rows of a matrix seen through a convolution: its transpose on each of them."""
    import torch
    from torch.nn.grad import conv2d_input

    through = conv2d_input(
        (len(weight), *shape),
        torch.tensor(conv.weight.astype(np.float64)),
        torch.tensor(weight.astype(np.float64)).reshape(-1, *between),
        conv.stride,
        conv.padding,
        conv.dilation,
        conv.groups,
    )
    rows: Array = through.flatten(1).numpy()
    return rows


def describe(node: Node) -> str:
    """Kind and size of a map, for notes."""
    if isinstance(node, Conv2d):
        kernel = "x".join(map(str, node.weight.shape[2:]))
        stride = "x".join(map(str, node.stride))
        return f"Conv2d {kernel} of stride {stride}"
    if isinstance(node, Affine):
        return f"Affine {node.weight.shape[1]} -> {node.weight.shape[0]}"
    return node.kind
