"""Causes in the maps before a layer: order of weights and features, rounding, biases, windows."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from typing import get_args

import numpy as np

from neurorobust.compare.causes.base import Hypothesis
from neurorobust.compare.causes.place import Place
from neurorobust.ir import Affine, Array, BatchNorm, Conv1d, Conv2d, Flatten, Graph, Node, Pool2d
from neurorobust.ir.linear import Conv, PoolKind

_BITS = range(2, 9)
_WIDEST_PERMUTATION = 2048


def synapses(place: Place) -> Iterator[Hypothesis]:
    """Changes of every map on the way to a layer."""
    for name, node in place.nodes.items():
        for cause, text, changed in _changes(name, node):
            if (graph := place.with_node(name, changed)) is not None:
                yield Hypothesis(cause=cause, text=text, graph=graph)
        if isinstance(node, Flatten):
            yield from _orders(place, name)


def _changes(name: str, node: Node) -> Iterator[tuple[str, str, Node]]:
    if isinstance(node, Affine | Conv1d | Conv2d):
        if node.bias is not None and node.bias.any():
            yield "lost bias", f"{{y}} lacks the bias of {name}", replace(node, bias=None)
        for way, weight in roundings(node.weight):
            text = f"weights of {name} are rounded {way}"
            yield "rounded weights", text, replace(node, weight=weight)
    if isinstance(node, Affine):
        yield from _matrices(name, node)
    if isinstance(node, Conv1d | Conv2d):
        yield from _kernels(name, node)
        yield from _paddings(name, node)
    if isinstance(node, Pool2d):
        for op in get_args(PoolKind):
            if op != node.op:
                text = f"{name} pools by {op} in {{y}}, by {node.op} in {{x}}"
                yield "pooling", text, replace(node, op=op)
        yield from _paddings(name, node)
    if isinstance(node, BatchNorm) and node.shift.any():
        zero = np.zeros_like(node.shift)
        yield "lost bias", f"{{y}} lacks the shift of {name}", replace(node, shift=zero)


def roundings(weight: Array) -> Iterator[tuple[str, Array]]:
    """Weights in fewer bits, by the rules in use; those that change nothing are left out."""
    axes = tuple(range(1, weight.ndim))
    largest = {
        "": np.abs(weight).max(),
        ", each output by itself": np.abs(weight).max(axis=axes, keepdims=True),
    }
    for bits in _BITS:
        top = 2 ** (bits - 1) - 1
        for whose, peak in largest.items():
            with np.errstate(divide="ignore", invalid="ignore"):
                steps = {
                    "": peak / top,
                    ", the largest to one step more": peak / (top + 1),
                    ", steps a power of two": 2.0 ** np.ceil(np.log2(peak / top)),
                }
                for how, step in steps.items():
                    rounded = np.where(step > 0, np.round(weight / step) * step, weight)
                    if (rounded != weight).any():
                        yield f"to {bits} bits{whose}{how}", rounded
        low, high = min(weight.min(), 0.0), max(weight.max(), 0.0)
        if (step := (high - low) / (2**bits - 1)) > 0:  # zero stays a number of the grid
            rounded = (np.round(weight / step + (zero := np.round(-low / step))) - zero) * step
            yield f"to {bits} bits from the least to the largest", rounded
    half = weight.astype(np.float16).astype(np.float64)
    brain = (weight.astype(np.float32).view(np.uint32) + 0x8000 & 0xFFFF0000).view(np.float32)
    for how, rounded in (("to float16", half), ("to bfloat16", brain.astype(np.float64))):
        if (rounded != weight).any():
            yield how, rounded


def _matrices(name: str, node: Affine) -> Iterator[tuple[str, str, Node]]:
    out, into = node.weight.shape
    if out == into:
        text = f"the weight of {name} is transposed"
        yield "transposed weight", text, replace(node, weight=node.weight.T)
    else:
        text = f"the weight of {name} is read in the order of its transpose"
        mixed = node.weight.reshape(into, out).T
        yield "transposed weight", text, replace(node, weight=mixed)
        mixed = node.weight.T.reshape(out, into)
        yield "transposed weight", text, replace(node, weight=mixed)


def _kernels(name: str, node: Conv) -> Iterator[tuple[str, str, Node]]:
    spatial = tuple(range(2, node.weight.ndim))
    flips = [spatial, *([(axis,) for axis in spatial] if len(spatial) > 1 else [])]
    for axes in flips:
        which = "" if len(axes) == len(spatial) else f" along axis {axes[0] - 1}"
        text = f"the kernel of {name} is flipped{which}: convolution for correlation"
        yield "kernel flip", text, replace(node, weight=np.flip(node.weight, axes))
    if len(spatial) == 2 and node.weight.shape[2] == node.weight.shape[3]:
        turned = node.weight.swapaxes(2, 3)
        text = f"height and width of the kernel of {name} are exchanged"
        yield "transposed weight", text, replace(node, weight=turned)
    if node.weight.shape[0] == node.weight.shape[1]:
        text = f"in and out channels of {name} are exchanged"
        yield "transposed weight", text, replace(node, weight=node.weight.swapaxes(0, 1))


def _paddings(name: str, node: Conv | Pool2d) -> Iterator[tuple[str, str, Node]]:
    """More or less padding on both sides; and windows that start one place further."""
    plane = len(node.padding) == 2
    for change in [(1, 1), (-1, -1), (1, 0), (0, 1), (-1, 0), (0, -1)] if plane else [(1,), (-1,)]:
        padding = tuple(p + c for p, c in zip(node.padding, change, strict=True))
        if min(padding) >= 0:
            text = f"{name} pads {padding} in {{y}}, {node.padding} in {{x}}"
            yield "padding", text, replace(node, padding=padding)
    if not any(node.padding):
        return
    if isinstance(node, Conv1d | Conv2d) and max(node.dilation) == 1:
        shifts = [(1, 1), (1, 0), (0, 1)] if plane else [(1,)]
        for shift in [*shifts, *(tuple(-s for s in shift) for shift in shifts)]:
            yield "padding", f"windows of {name} start {shift} later", _shifted(node, shift)


def _shifted(node: Conv, shift: tuple[int, ...]) -> Node:
    """The same windows ``shift`` places later: zeros around the kernel, and as much padding."""
    width = [(0, 0), (0, 0), *((1 + s, 1 - s) for s in shift)]
    padding = tuple(p + 1 for p in node.padding)
    return replace(node, weight=np.pad(node.weight, width), padding=padding)


def _orders(place: Place, name: str) -> Iterator[Hypothesis]:
    """Features that are flattened in another order of the axes, or taken back in it."""
    shape = place.graph.shapes[place.graph.incoming(name)[0].source]
    index = np.arange(int(np.prod(shape))).reshape(shape)
    seen: set[bytes] = set()
    for axes in permutations(range(len(shape))):
        order = index.transpose(axes).ravel()
        for way in (order, np.argsort(order)):
            if (way == index.ravel()).all() or way.tobytes() in seen:
                continue
            seen.add(way.tobytes())
            graph = _reordered(place, name, way)
            if graph is not None:
                text = f"{name} gives the axes of {shape} in the order {axes}"
                yield Hypothesis(cause="flatten order", text=text, graph=graph)


def _reordered(place: Place, name: str, order: Array) -> Graph | None:
    """The readers of a Flatten take ``x[order]`` for ``x``."""
    readers = [edge.target for edge in place.graph.outgoing(name)]
    nodes = dict(place.graph.nodes)
    for reader in readers:
        node = nodes[reader]
        if not isinstance(node, Affine):
            return _permuted(place, name, order)
        weight = np.empty_like(node.weight)
        weight[:, order] = node.weight
        nodes[reader] = replace(node, weight=weight)
    return place.graph.with_(nodes=nodes)


def _permuted(place: Place, name: str, order: Array) -> Graph | None:
    """The same behind a Flatten that something else reads."""
    if len(order) > _WIDEST_PERMUTATION:
        return None
    graph, added = place.graph, f"{name}.order"
    edges = [replace(e, source=added) if e.source == name else e for e in graph.edges]
    (first, *_) = [e for e in graph.edges if e.source == name]
    nodes = {**graph.nodes, added: Affine(weight=np.eye(len(order))[order])}
    return graph.with_(nodes=nodes, edges=(*edges, replace(first, target=added, delay=0)))
