"""The weights that netx gives to Lava, and those that Lava then uses.

netx shifts a matrix up to fill eight bits and names the shift as exponent; Lava clips to the sign
mode it derives anew and drops the bits that are not stored::

    W clipped to -256..254                          where signs are mixed and a bound is passed
    (sg, r) = (0, -256/min) if max < 0; (0, 255/max) if min >= 0; (1, min(127/max, -128/min)) else
    sb = floor(log2 r) + sg
    n  = trailing zero bits common to all weights (at most 8) - sg
    Lava: weights W 2^sb, weight bits 8 - sb - n, exponent -sb

The round trip keeps every weight, with two exceptions. A matrix of one sign that needs more than
eight bits becomes all 0 (non-negative above 255; negative below -256; non-positive below -128 with
zeros and odd entries). A weight of -2^k that is the smallest of a matrix without positive entries
loses one step, or half of one, which leaves sums that are floored.
"""

from dataclasses import dataclass

import numpy as np

from neurorobust.ir import Array

CLIP = (-256, 254)
INT8_MAX = 127
"""Lava keeps the geometry of a convolution in eight bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Optimised:
    """Arguments of a Lava synapse as netx chooses them.

    Attributes:
        weight: Shifted weights.
        bits: ``num_weight_bits``; 0 and 9 occur.
        shift: The exponent is minus this; below 0 all weights are shifted out.
    """

    weight: Array
    bits: int
    shift: int


def optimise(weight: Array) -> Optimised:
    """What netx makes of an integer matrix, which may not be all zero."""
    low, high = int(weight.min()), int(weight.max())
    if (high > CLIP[1] and low < 0) or (low < CLIP[0] and high > 0):
        weight = weight.clip(*CLIP)
        low, high = int(weight.min()), int(weight.max())
    signed = not (high < 0 or low >= 0)
    with np.errstate(divide="ignore"):
        if signed:
            ratio = min(np.divide(127, high), np.divide(-128, low))
        else:
            ratio = -256 / low if high < 0 else np.divide(255, high)
    shift = int(np.floor(np.log2(ratio))) + signed
    common = int(np.bitwise_or.reduce(weight, axis=None)) | 1 << 8
    trailing = (common & -common).bit_length() - 1
    shifted = weight << shift if shift >= 0 else np.zeros_like(weight)
    return Optimised(shifted, 8 - shift - trailing + signed, shift)


def stored(weight: Array, bits: int) -> Array:
    """What Lava keeps of shifted weights in a synapse of so many bits."""
    inhibitory = weight.max() <= 0 and weight.min() < 0
    mixed = weight.min() < 0 < weight.max()
    sign = -1 if inhibitory else 1
    magnitude = np.clip(sign * weight, -256 if mixed else 0, 255)
    dropped = 8 - bits + mixed
    if dropped < 0:  # NumPy's shift by a negative count gives 0
        return np.zeros_like(weight)
    kept: Array = sign * ((magnitude >> dropped) << dropped)
    return kept


@dataclass(frozen=True, slots=True, eq=False)
class Acting:
    """A matrix as it acts: ``y = floor(sum_j weight[:, j] x[j] / 2^shift)``.

    Attributes:
        weight: Integers.
        shift: 0, except where a lost step leaves no whole weights.
    """

    weight: Array
    shift: int

    @property
    def values(self) -> Array:
        """What each synapse counts by itself."""
        return self.weight / (1 << self.shift)


def acting(weight: Array) -> Acting:
    """How a dense matrix of a file acts, which may not be all zero."""
    made = optimise(weight)
    return _acting(made.weight, made)


def acting_recurrent(weight: Array, recurrent: Array, *, delayed: bool) -> tuple[Acting, Acting]:
    """The same for the two matrices of a recurrent layer, which are optimised as one.

    With delays netx forgets the exponent, so that the weights act shifted up.
    """
    made = optimise(np.hstack([weight, recurrent]))
    feed, back = np.split(made.weight, [weight.shape[1]], axis=1)
    if delayed:
        return Acting(stored(feed, made.bits), 0), Acting(stored(back, made.bits), 0)
    return _acting(feed, made), _acting(back, made)


def _acting(weight: Array, made: Optimised) -> Acting:
    kept, shift = stored(weight, made.bits), max(made.shift, 0)
    if (kept & ((1 << shift) - 1)).any():
        return Acting(kept, shift)
    return Acting(kept >> shift, 0)
