"""Sums over synapses as products of floats: for GPUs, and wherever overflows are counted.

A sum is exact in floats of p bits where the weights and inputs bound it below 2^p, in any order of
summation; beyond 2^53 the weights go in slices of 16 bits.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from neurorobust.engine.integer.bounds import largest_sum
from neurorobust.engine.integer.trace import Counters, Watched
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array, FixedConv2d, FixedDense, Shape
from neurorobust.ir.fixed import FixedDelayDense

EXACT_SINGLE = 1 << 24
EXACT_DOUBLE = 1 << 53
COUNTED = 1 << 54
"""Sums below this are exact in int64 with all shifts."""

Product = Callable[[Tensor, Tensor], Tensor]


def wrap(x: Tensor, bits: int) -> Tensor:
    """Two's-complement wrap of int64 values."""
    half = 1 << (bits - 1)
    return ((x + half) & ((1 << bits) - 1)) - half


class ExactProduct:
    """``product(x, weight)`` of integers, modulo 2^64.

    Args:
        weight: Integers.
        product: Linear in both; sums over all axes of the weight but the first.
        bound: The largest magnitude of a sum, from the program's bounds.
        device: Where to compute.
    """

    def __init__(self, weight: Array, product: Product, bound: int, device: torch.device) -> None:
        self.product, self.bound = product, bound
        self.weight = torch.tensor(weight.astype(np.int64), device=device)
        self.single, self.double = self.weight.float(), self.weight.double()

    def __call__(self, x: Tensor, *, counted: bool) -> Tensor:
        """Sums of integers ``x``, int64.

        Raises:
            InvalidInput: for inputs so large that a sum cannot be computed exactly, or with all
                its bits where overflows are ``counted``.
        """
        if self.bound < EXACT_SINGLE and _full_single_precision():
            return self.product(x.float(), self.single).long()
        real = x.double()
        if self.bound < EXACT_DOUBLE or (bound := _bound(self.double, real)) < EXACT_DOUBLE:
            return self.product(real, self.double).long()
        low = wrap(self.weight, 16)
        slices = low.double(), ((self.weight - low) >> 16).double()
        beyond = max(_bound(part, real) for part in slices) >= EXACT_DOUBLE
        if beyond or (counted and bound >= COUNTED):
            raise InvalidInput(
                f"a sum over {self.weight[0].numel()} inputs of up to {real.abs().max():.0f} "
                "exceeds what is computed exactly; lower the payloads or split the synapse"
            )
        fine, coarse = (self.product(real, part).long() for part in slices)
        return fine + (coarse << 16)


class Synapse:
    """A synapse without memory beyond what arrived; values are (B, T or 1, N) in C order.

    Args:
        node: Its law.
        shape: Of the input.
        arriving: Largest magnitude of an input.
        device: Where to compute.
    """

    dtype = torch.int32

    def __init__(
        self, node: FixedDense | FixedConv2d, shape: Shape, arriving: int, device: torch.device
    ) -> None:
        bound = largest_sum(node, arriving)
        self.shape, self.device = shape, device
        self.single = isinstance(node, FixedDense) and not node.message_bits
        self.left, self.right = shifts(node)
        self.fits = bound << self.left < 1 << 31
        """Whether no sum can lose a bit."""
        if isinstance(node, FixedConv2d):
            product, weight = _unfolded(node, shape), node.weight
        else:
            product, weight = F.linear, node.effective_weight
        if isinstance(node, FixedDelayDense):
            groups = [(int(d), np.where(node.delay == d, weight, 0)) for d in np.unique(node.delay)]
        else:
            groups = [(0, weight)]
        self.products = [(d, ExactProduct(w, product, bound, device)) for d, w in groups]

    def takes(self, *, watched: bool) -> None:
        """Any integers."""

    def rest(self, _samples: int) -> None:
        """No state: what is on its way is computed from what arrived."""

    def advance(self, _state: None, x: Tensor, out: Tensor, steps: range, seen: Watched) -> None:
        """Fill ``out`` in these steps; ``x`` holds all steps up to the last."""
        counters = seen.counters
        total = torch.zeros(len(x), len(steps), out.shape[2], dtype=torch.int64, device=out.device)
        for delay, product in self.products:
            first = max(steps.start, delay)
            if first >= steps.stop:
                continue
            message = x[:, first - delay : steps.stop - delay] if x.shape[1] > 1 else x
            message = (message != 0 if self.single else message).flatten(0, 1)
            sums = product(message, counted=counters is not None) << self.left
            sums = sums.unflatten(0, (len(x), -1)).expand(-1, steps.stop - first, -1)
            self._count(counters, sums)
            total[:, first - steps.start :] += wrap(sums, 32) >> self.right
        if len(self.products) > 1:
            self._count(counters, total)
        out[:, steps.start : steps.stop] = wrap(total, 32)

    def _count(self, counters: Counters | None, sums: Tensor) -> None:
        if counters is not None and not self.fits:
            counters.wrapped.add_((sums != wrap(sums, 32)).sum((1, 2)))


def shifts(node: FixedDense | FixedConv2d) -> tuple[int, int]:
    """Bits up, a wrap to 32 bits, then bits down: an exponent, or the 24 bits of a convolution."""
    if isinstance(node, FixedConv2d):
        return 8, 8
    return max(node.weight_exp, 0), max(-node.weight_exp, 0)


def _full_single_precision() -> bool:
    """Whether products of single-precision floats keep all their bits."""
    try:
        return torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:  # set per backend, which torch then refuses to sum up
        return False


def _bound(weight: Tensor, x: Tensor) -> float:
    """The largest sum that inputs no larger than these could give."""
    return float(weight.abs().flatten(1).sum(1).max() * x.abs().max()) if x.numel() else 0.0


def _unfolded(node: FixedConv2d, shape: Shape) -> Product:
    """The convolution as a matrix product over unfolded windows, (R, C H W) -> (R, K H' W').

    Convolutions of libraries may go through transforms that round; a matrix product does not.
    """
    kernel = node.weight.shape[2:]

    def product(x: Tensor, weight: Tensor) -> Tensor:
        windows = F.unfold(x.unflatten(1, shape), kernel, node.dilation, node.padding, node.stride)
        taps = weight.reshape(node.groups, -1, weight[0].numel())
        sums: Tensor = taps @ windows.unflatten(1, (node.groups, -1))
        return sums.flatten(1)

    return product
