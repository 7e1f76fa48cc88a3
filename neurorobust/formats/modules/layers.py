"""Torch layers without memory → nodes: one table for every importer."""

from collections.abc import Iterable

from torch import Tensor, nn

from neurorobust.errors import Unsupported
from neurorobust.ir import Affine, Array, BatchNorm, Conv1d, Conv2d, Flatten, Node, Pool2d

LAYERS: tuple[type[nn.Module], ...] = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.AvgPool2d,
    nn.MaxPool2d,
    nn.Flatten,
)
IDENTITIES: tuple[type[nn.Module], ...] = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d)
"""Layers that change nothing when a network is evaluated."""


def plain(label: str, layer: nn.Module) -> Node | None:
    """The node of a layer, weights and statistics as they are; None where the table lacks it.

    Raises:
        Unsupported: for an option that would be lost.
    """
    match layer:
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
            return _pool(layer, "avg")
        case nn.MaxPool2d():
            _refuse(label, layer.ceil_mode, "uses ceil_mode")
            _refuse(label, layer.return_indices, "returns indices")
            _refuse(label, _pair(layer.dilation) != (1, 1), "is dilated")
            return _pool(layer, "max")
        case nn.Flatten():
            _refuse(label, (layer.start_dim, layer.end_dim) != (1, -1), "flattens other axes")
            return Flatten()
        case _:
            return None


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


def _pool(layer: nn.AvgPool2d | nn.MaxPool2d, op: str) -> Pool2d:
    return Pool2d(
        op="avg" if op == "avg" else "max",
        kernel=_pair(layer.kernel_size),
        stride=_pair(layer.stride),
        padding=_pair(layer.padding),
    )


def _refuse(label: str, fault: bool, what: str) -> None:  # noqa: FBT001
    if fault:
        raise Unsupported(f"{label}: {what}, which a Graph cannot hold")


def _array(value: Tensor) -> Array:
    array: Array = value.detach().cpu().numpy()
    return array


def _optional(value: Tensor | None) -> Array | None:
    return None if value is None else _array(value)


def _pair(value: int | Iterable[int]) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return first, second
