"""What a chip sees of a weight array: bits, signs, distinct values, types of axons."""

from dataclasses import dataclass

import numpy as np

from neurorobust.ir import Array

GRID_BITS = 16
"""Finest grid on which float weights are recognised as integers times a scale."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Facts of one weight array.

    Attributes:
        count: Weights stored.
        bits: Bits of the grid they lie on, with sign if both occur; None for floats on no grid.
        distinct: Most distinct non-zero values of a neuron.
        copies: Axons per input if every axon has one type and a neuron's types are its distinct
            weights in ascending order.
        signed: Whether both signs occur.
    """

    count: int
    bits: int | None
    distinct: int
    copies: int
    signed: bool

    @classmethod
    def of(cls, weight: Array, bits: int | None = None) -> "Weights":
        """Facts of weights of shape (out, in, ...); taps of one input channel share its axons."""
        ranks = _ranks(weight.reshape(len(weight), -1))
        per_input = np.moveaxis(ranks.reshape(len(weight), weight.shape[1], -1), 1, 0)
        copies = int(_ranks(per_input.reshape(weight.shape[1], -1)).max())
        if bits is None:
            bits = _grid_bits(weight)
        signed = bool((weight < 0).any() and (weight > 0).any())
        return cls(weight.size, bits, int(ranks.max()), max(copies, 1), signed)


def _ranks(rows: Array) -> Array:
    """Per row, the rank (from 1) of each weight among the row's distinct non-zero ones; 0 for 0."""
    order = np.argsort(rows, axis=1, kind="stable")
    ascending = np.take_along_axis(rows, order, axis=1)
    new = np.ones_like(ascending, dtype=bool)
    new[:, 1:] = ascending[:, 1:] != ascending[:, :-1]
    ranks = np.cumsum(new & (ascending != 0), axis=1)
    ranks[ascending == 0] = 0
    back = np.empty_like(ranks)
    np.put_along_axis(back, order, ranks, axis=1)
    return back


def _grid_bits(weight: Array) -> int | None:
    """Bits of the coarsest grid that holds all weights, or None.

    Integers may share a power of two, floats any scale. A sign costs a bit where both signs occur.
    """
    if weight.dtype.kind in "iu":
        shared = int(np.bitwise_or.reduce(np.abs(weight.astype(np.int64)), axis=None))
        step = (shared & -shared) or 1
        low, high = int(weight.min()) // step, int(weight.max()) // step
        if low < 0 < high:
            return max(high.bit_length(), (-low - 1).bit_length()) + 1
        return max(high.bit_length(), (-low).bit_length(), 1)
    largest = float(np.abs(weight).max())
    if not largest:
        return 1
    scaled = weight.astype(np.float64) / largest
    tolerance = 4 * float(np.finfo(weight.dtype).eps)
    for bits in range(2, GRID_BITS + 1):
        top = 1 << (bits - 1)
        # The largest weight is the largest integer of the grid, or a power of two.
        for units in (scaled * (top - 1), scaled * (top >> 1)):
            if np.abs(units - np.rint(units)).max() <= tolerance * top:
                return bits
    return None
