"""Nodes whose NIR form is the same in every profile."""

from collections.abc import Callable

import numpy as np

from neurorobust import ir
from neurorobust.errors import Refusal
from neurorobust.formats.nir.document import Entry

Cast = Callable[[ir.Array], ir.Array]
"""What is done to weights and biases."""


def plain_entry(graph: ir.Graph, name: str, cast: Cast, *, always_bias: bool) -> Entry | None:
    """The NIR node of a node without memory, or None if there is none.

    Args:
        graph: The network.
        name: The node.
        cast: Applied to weights and biases.
        always_bias: Whether an Affine without bias gets zeros instead of being a ``Linear``.
    """
    node = graph.nodes[name]
    arriving = graph.shapes[graph.incoming(name)[0].source] if graph.incoming(name) else ()
    match node:
        case ir.Input() | ir.Output():
            return Entry(kind=node.kind, values={"shape": np.array(graph.shapes[name])})
        case ir.Affine():
            weight = cast(node.weight)
            if node.bias is None and not always_bias:
                return Entry(kind="Linear", values={"weight": weight})
            return Entry(kind="Affine", values={"weight": weight, "bias": _bias(node, cast)})
        case ir.Conv1d() | ir.Conv2d():
            return Entry(kind=node.kind, values=_conv(node, arriving, cast))
        case ir.Pool2d(op="avg" | "sum"):
            sizes = {"kernel_size": node.kernel, "stride": node.stride, "padding": node.padding}
            values = {key: np.array(size) for key, size in sizes.items()}
            return Entry(kind="AvgPool2d" if node.op == "avg" else "SumPool2d", values=values)
        case ir.Flatten():
            values = {
                "start_dim": np.array(-len(arriving)),  # counted from the end: right for any batch
                "end_dim": np.array(-1),
                "input_type": np.array(arriving),
            }
            return Entry(kind="Flatten", values=values)
    return None


def without_entry(name: str, node: ir.Node) -> Refusal:
    """Why a node has no NIR form."""
    if node.kind == "BatchNorm":
        way_out = "fold it into the weights before it"
        return Refusal(name, "node kind", "NIR has no BatchNorm", way_out)
    why, way_out = "NIR has no maximum over windows", "train with sum or average pooling"
    return Refusal(name, "node kind", why, way_out)


def _conv(
    node: ir.Conv1d | ir.Conv2d, arriving: tuple[int, ...], cast: Cast
) -> dict[str, ir.Array]:
    sizes = {key: getattr(node, key) for key in ("stride", "padding", "dilation")}
    sizes["input_shape"] = arriving[1:]
    flat = isinstance(node, ir.Conv1d)
    return {key: np.array(size[0] if flat else size) for key, size in sizes.items()} | {
        "weight": cast(node.weight),
        "groups": np.array(node.groups),
        "bias": _bias(node, cast),
    }


def _bias(node: ir.Affine | ir.Conv1d | ir.Conv2d, cast: Cast) -> ir.Array:
    if node.bias is not None:
        return cast(node.bias)
    return cast(np.zeros(len(node.weight), node.weight.dtype))
