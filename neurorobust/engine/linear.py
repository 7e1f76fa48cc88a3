"""Maps without memory, for torch; inputs are (N, ...) with any mixture of batch and time in N."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.nn.grad import conv1d_input, conv2d_input

from neurorobust.ir import Affine, BatchNorm, Conv1d, Conv2d, Flatten, Node, Pool2d, Shape
from neurorobust.ir.linear import batch_norm_as_scale

Adjoint = Callable[[Tensor, Shape], Tensor]
"""``(g, shape) -> W^T g``: from a gradient by the output to that by an input of this shape."""


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """``y = W x + b``, and the adjoint of ``W``.

    Attributes:
        apply: The map.
        adjoint: None for a maximum, which has none that is the same at every point.
        dtype: Of the weights; inputs are brought to it. None takes any.
    """

    apply: Callable[[Tensor], Tensor]
    adjoint: Adjoint | None
    dtype: torch.dtype | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Values (N, ...) of inputs (N, ...)."""
        return self.apply(x if self.dtype is None else x.to(self.dtype))


def linear_map(node: Node, like: Tensor, dtype: torch.dtype | None = None) -> Map | None:
    """The node as a function of (N, ...).

    Args:
        node: Any node.
        like: Device and dtype of the parameters.
        dtype: Of weights and biases; None takes that of ``like``.

    Returns:
        None for a node with memory.
    """
    match node:
        case Affine():
            return _affine(node, like.to(dtype or like.dtype))
        case Conv1d() | Conv2d():
            return _conv(node, like.to(dtype or like.dtype))
        case BatchNorm():
            return _batch_norm(node, like)
        case Pool2d():
            return Map(lambda x: _pool(node, x), None if node.op == "max" else _pool_adjoint(node))
        case Flatten():
            return Map(lambda x: x.flatten(1), lambda g, shape: g.reshape(len(g), *shape))
        case _:
            return None


def _affine(node: Affine, like: Tensor) -> Map:
    weight, bias = torch.tensor(node.weight).to(like), _bias(node, like)
    return Map(
        lambda x: F.linear(x, weight, bias), lambda g, _: g.to(weight.dtype) @ weight, weight.dtype
    )


def _conv(node: Conv1d | Conv2d, like: Tensor) -> Map:
    weight, bias = torch.tensor(node.weight).to(like), _bias(node, like)
    plane = isinstance(node, Conv2d)
    if plane and (weight.dtype == torch.bfloat16 or _is_single_on_cpu(weight)):
        weight = weight.contiguous(memory_format=torch.channels_last)
    conv = F.conv2d if plane else F.conv1d
    by_input = conv2d_input if plane else conv1d_input
    geometry = (node.stride, node.padding, node.dilation, node.groups)

    def adjoint(g: Tensor, shape: Shape) -> Tensor:
        found: Tensor = by_input((len(g), *shape), weight, g.to(weight.dtype), *geometry)  # type: ignore[no-untyped-call]
        return found

    return Map(lambda x: conv(x, weight, bias, *geometry), adjoint, weight.dtype)


def _is_single_on_cpu(weight: Tensor) -> bool:
    """Where convolution and pooling are fastest with channels last; doubles have no such kernel."""
    return weight.dtype == torch.float32 and weight.device.type == "cpu"


def _batch_norm(node: BatchNorm, like: Tensor) -> Map:
    arrays = (node.mean, node.var, node.scale, node.shift)
    mean, var, scale, shift = (torch.tensor(array).to(like) for array in arrays)
    factor = torch.tensor(batch_norm_as_scale(node)[0]).to(like)

    def norm(x: Tensor) -> Tensor:
        return F.batch_norm(x, mean, var, scale, shift, training=False, eps=node.eps)

    def adjoint(g: Tensor, shape: Shape) -> Tensor:
        return g * factor.reshape(-1, *[1] * (len(shape) - 1))

    return Map(lambda x: _WithAdjoint.apply(x, norm, adjoint), adjoint)  # type: ignore[no-untyped-call]


class _WithAdjoint(torch.autograd.Function):
    """A map of torch with the adjoint of ours.

    The derivative of batch norm in torch 2.13 is wrong on the CPU, in single precision, for one
    sample whose layout is channels last.
    """

    @staticmethod
    def forward(
        context: Any, x: Tensor, apply: Callable[[Tensor], Tensor], adjoint: Adjoint
    ) -> Tensor:
        context.adjoint = adjoint
        return apply(x)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return context.adjoint(gradient, gradient.shape[1:]), None, None


def _bias(node: Affine | Conv1d | Conv2d, like: Tensor) -> Tensor | None:
    return None if node.bias is None else torch.tensor(node.bias).to(like)


def _pool(node: Pool2d, x: Tensor) -> Tensor:
    if node.op == "max":
        return F.max_pool2d(x, node.kernel, node.stride, node.padding)
    divisor = 1 if node.op == "sum" else None
    return F.avg_pool2d(x, node.kernel, node.stride, node.padding, divisor_override=divisor)


def _layout(x: Tensor) -> torch.memory_format:
    last = x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def _pool_adjoint(node: Pool2d) -> Adjoint:
    def adjoint(g: Tensor, shape: Shape) -> Tensor:
        with torch.enable_grad():  # the map is linear: its adjoint at 0 is that everywhere
            at = g.new_zeros(1).expand(len(g), *shape).contiguous(memory_format=_layout(g))
            at.requires_grad_()
            return torch.autograd.grad(_pool(node, at), at, g)[0]

    return adjoint
