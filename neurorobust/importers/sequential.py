"""A chain of torch layers with our neurons → Graph."""

from collections.abc import Iterable

from torch import Tensor, nn

from neurorobust.engine.layers import LI, LIF
from neurorobust.errors import Unsupported
from neurorobust.ir import (
    Affine,
    Array,
    BatchNorm,
    Conv1d,
    Conv2d,
    Flatten,
    Graph,
    Header,
    Input,
    Node,
    Output,
    Pool2d,
    Shape,
)
from neurorobust.ir.edges import chain_edges
from neurorobust.ir.ports import Readout


def from_sequential(
    layers: nn.Sequential, *, header: Header, input_shape: Shape, readout: Readout
) -> Graph:
    """Read weights, statistics and neurons as they are; nothing is folded.

    Nodes are named by kind and number in the chain: ``conv1``, ``lif2`` ….

    Raises:
        Unsupported: naming the first layer that has no node, or an option that would be lost.
    """
    nodes: dict[str, Node] = {"input": Input(shape=input_shape)}
    for index, layer in enumerate(layers):
        node = _node(f"layer {index} ({type(layer).__name__})", layer)
        if node is not None:
            count = sum(type(other) is type(node) for other in nodes.values())
            nodes[f"{node.kind.lower().removesuffix('2d')}{count + 1}"] = node
    nodes["output"] = Output(readout=readout)
    return Graph(header=header, nodes=nodes, edges=chain_edges(nodes))


def _node(label: str, layer: nn.Module) -> Node | None:
    match layer:
        case LIF() | LI():
            return layer.node
        case nn.Linear():
            return Affine(weight=_array(layer.weight), bias=_optional(layer.bias))
        case nn.Conv2d() | nn.Conv1d():
            return _conv(label, layer)
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            _refuse(label, layer.running_mean is None, "has no running statistics")
            _refuse(label, not layer.affine, "has affine=False; set scale and shift to 1 and 0")
            names = ("running_mean", "running_var", "weight", "bias")
            mean, var, scale, shift = (_array(getattr(layer, name)) for name in names)
            return BatchNorm(mean=mean, var=var, scale=scale, shift=shift, eps=layer.eps)
        case nn.AvgPool2d():
            _refuse(label, layer.ceil_mode, "uses ceil_mode")
            _refuse(label, not layer.count_include_pad, "leaves padding out of the count")
            _refuse(label, layer.divisor_override is not None, "overrides the divisor")
            return Pool2d(
                op="avg",
                kernel=_pair(layer.kernel_size),
                stride=_pair(layer.stride),
                padding=_pair(layer.padding),
            )
        case nn.MaxPool2d():
            _refuse(label, layer.ceil_mode, "uses ceil_mode")
            _refuse(label, _pair(layer.dilation) != (1, 1), "is dilated")
            return Pool2d(
                op="max",
                kernel=_pair(layer.kernel_size),
                stride=_pair(layer.stride),
                padding=_pair(layer.padding),
            )
        case nn.Flatten():
            _refuse(label, (layer.start_dim, layer.end_dim) != (1, -1), "flattens other axes")
            return Flatten()
        case nn.Identity() | nn.Dropout() | nn.Dropout2d():
            return None
        case _:
            known = "Linear, Conv1d/2d, BatchNorm, AvgPool2d, MaxPool2d, Flatten, LIF, LI"
            msg = f"{label}: has no node in a Graph; known are {known}"
            raise Unsupported(msg)


def _conv(label: str, layer: nn.Conv1d | nn.Conv2d) -> Node:
    _refuse(label, layer.padding_mode != "zeros", f"pads with {layer.padding_mode}, not zeros")
    _refuse(label, isinstance(layer.padding, str), "names its padding; give it in numbers")
    kind = Conv2d if isinstance(layer, nn.Conv2d) else Conv1d
    return kind(
        weight=_array(layer.weight),
        bias=_optional(layer.bias),
        stride=tuple(layer.stride),
        padding=tuple(int(p) for p in layer.padding),
        dilation=tuple(layer.dilation),
        groups=layer.groups,
    )


def _refuse(label: str, fault: bool, what: str) -> None:  # noqa: FBT001
    if fault:
        msg = f"{label}: {what}, which a Graph cannot hold"
        raise Unsupported(msg)


def _array(value: Tensor) -> Array:
    array: Array = value.detach().cpu().numpy()
    return array


def _optional(value: Tensor | None) -> Array | None:
    return None if value is None else _array(value)


def _pair(value: int | Iterable[int]) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return first, second
