"""Maps without memory, for torch; inputs are (N, ...) with any mixture of batch and time in N."""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from neurorobust.ir import Affine, BatchNorm, Conv1d, Conv2d, Flatten, Node, Pool2d

Map = Callable[[Tensor], Tensor]


def linear_map(node: Node, like: Tensor) -> Map | None:
    """The node as a function of (N, ...), with parameters of the dtype and device of ``like``.

    Returns:
        None for a node with memory.
    """

    def tensor(name: str) -> Tensor:
        return torch.tensor(getattr(node, name)).to(like)

    match node:
        case Affine():
            weight, bias = tensor("weight"), _bias(node, like)
            return lambda x: F.linear(x, weight, bias)
        case Conv1d() | Conv2d():
            weight, bias = tensor("weight"), _bias(node, like)
            conv = F.conv1d if isinstance(node, Conv1d) else F.conv2d
            geometry = (node.stride, node.padding, node.dilation, node.groups)
            return lambda x: conv(x, weight, bias, *geometry)
        case BatchNorm():
            mean, var, scale, shift = (tensor(n) for n in ("mean", "var", "scale", "shift"))
            eps = node.eps
            return lambda x: F.batch_norm(x, mean, var, scale, shift, training=False, eps=eps)
        case Pool2d():
            return lambda x: _pool(node, x)
        case Flatten():
            return lambda x: x.flatten(1)
        case _:
            return None


def _bias(node: Affine | Conv1d | Conv2d, like: Tensor) -> Tensor | None:
    return None if node.bias is None else torch.tensor(node.bias).to(like)


def _pool(node: Pool2d, x: Tensor) -> Tensor:
    if node.op == "max":
        return F.max_pool2d(x, node.kernel, node.stride, node.padding)
    divisor = 1 if node.op == "sum" else None
    return F.avg_pool2d(x, node.kernel, node.stride, node.padding, divisor_override=divisor)
