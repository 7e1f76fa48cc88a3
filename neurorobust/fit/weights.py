"""What a chip sees of a weight array: bits, signs, distinct values, types of axons."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from neurorobust.ir import Array

GRID_BITS = 16
"""Finest grid on which float weights are recognised as integers times a scale."""
BLOCK = 1 << 18
"""Weights that are sorted at a time."""


@dataclass(frozen=True)
class Weights:
    """Facts of one weight array. Those that take sorting are found when first asked for.

    Attributes:
        array: The weights, shape (out, in, ...); taps of one input channel share its axons.
        bits: Bits of the grid they lie on, with sign if both occur; None for floats on no grid.
        signed: Whether both signs occur.
    """

    array: Array = field(repr=False, compare=False)
    bits: int | None
    signed: bool

    @classmethod
    def of(cls, weight: Array, bits: int | None = None) -> "Weights":
        """Facts of weights of shape (out, in, ...), on a grid of so many bits if that is known."""
        signed = bool((weight < 0).any() and (weight > 0).any())
        return cls(weight, _grid_bits(weight) if bits is None else bits, signed)

    @property
    def count(self) -> int:
        """Weights stored."""
        return self.array.size

    @property
    def distinct(self) -> int:
        """Most distinct non-zero values of a neuron."""
        return int(self._types.max())

    @cached_property
    def copies(self) -> int:
        """Axons per input, if each has one type and those of a neuron are its weights in order."""
        shape = self.array.shape
        per_input = np.moveaxis(self._types.reshape(shape[0], shape[1], -1), 1, 0)
        most = max(_distinct(rows.reshape(len(rows), -1)) for rows in _blocks(per_input))
        return max(most, 1)

    @cached_property
    def _types(self) -> Array:
        return _ranks(self.array.reshape(len(self.array), -1))


def _blocks(rows: Array) -> Iterator[Array]:
    """The rows, some at a time, so that large matrices stay in the cache."""
    count = max(1, BLOCK // max(rows[0].size, 1))
    return (rows[start : start + count] for start in range(0, len(rows), count))


def _ranks(rows: Array) -> Array:
    """Per row, the rank (from 1) of each weight among the row's distinct non-zero ones; 0 for 0."""
    ranks = np.empty(rows.shape, np.int16 if rows.shape[1] < 1 << 15 else np.int32)
    start = 0
    for block in _blocks(rows):
        order = np.argsort(block, axis=1)
        ascending = np.take_along_axis(block, order, axis=1)
        ranked = np.cumsum(_new(ascending), axis=1, dtype=ranks.dtype)
        ranked[ascending == 0] = 0
        np.put_along_axis(ranks[start : start + len(block)], order, ranked, axis=1)
        start += len(block)
    return ranks


def _distinct(rows: Array) -> int:
    """Most distinct non-zero values of a row."""
    return int(_new(np.sort(rows, axis=1)).sum(axis=1).max())


def _new(ascending: Array) -> Array:
    """Where a sorted row has a value that is not 0 for the first time."""
    new: Array = ascending != 0
    new[:, 1:] &= ascending[:, 1:] != ascending[:, :-1]
    return new


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
