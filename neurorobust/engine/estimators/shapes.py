"""Shapes of surrogate derivatives ``ds/du`` of ``u = h - threshold``, with a width ``w``.

Each integrates to 1, except ``piecewise_linear`` (0.3 w) and ``straight_through`` (unbounded).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Width = float | Tensor
Derivative = Callable[[Tensor, Width], Tensor]


def triangle(u: Tensor, width: Width) -> Tensor:
    """``max(0, w - |u|) / w^2``."""
    return (width - u.abs()).clamp(min=0) / width**2


def arctan(u: Tensor, width: Width) -> Tensor:
    """``(a/2) / (1 + (pi a u / 2)^2)`` with ``a = 1 / w``."""
    return 0.5 / width / (1 + (math.pi / 2 / width * u) ** 2)


def rectangle(u: Tensor, width: Width) -> Tensor:
    """``1/w`` where ``|u| < w/2``."""
    return (u.abs() < width / 2).to(u.dtype) / width


def sigmoid(u: Tensor, width: Width) -> Tensor:
    """``a sig(a u) (1 - sig(a u))`` with ``a = 1 / w``."""
    s = torch.sigmoid(u / width)
    return s * (1 - s) / width


def gaussian(u: Tensor, width: Width) -> Tensor:
    """``exp(-u^2 / 2w^2) / (sqrt(2 pi) w)``."""
    return torch.exp(-0.5 * (u / width) ** 2) / (math.sqrt(2 * math.pi) * width)


def exponential(u: Tensor, width: Width) -> Tensor:
    """``exp(-|u| / w) / 2w``; ``a exp(-b |u|)`` is that of width ``1/b`` and scale ``2 a / b``."""
    return torch.exp(-u.abs() / width) / (2 * width)


def quadratic_gate(u: Tensor, width: Width) -> Tensor:
    """``a - a^2 |u|`` where ``|u| < w``, with ``a = 1 / w``: the triangle under another name."""
    return triangle(u, width)


def piecewise_linear(u: Tensor, width: Width) -> Tensor:
    """``0.3 max(0, 1 - |u| / w)``, of ``u`` in thresholds."""
    return 0.3 * (1 - u.abs() / width).clamp(min=0)


def straight_through(u: Tensor, width: Width) -> Tensor:  # noqa: ARG001
    """1, whatever the width."""
    return torch.ones_like(u)


SURROGATES: dict[str, Derivative] = {
    f.__name__: f
    for f in (
        triangle,
        arctan,
        rectangle,
        sigmoid,
        gaussian,
        exponential,
        quadratic_gate,
        piecewise_linear,
        straight_through,
    )
}
"""Derivatives by name."""

IN_THRESHOLDS = frozenset({"piecewise_linear"})
"""Shapes of the membrane in units of the threshold, ``u = (h - threshold) / threshold``."""
