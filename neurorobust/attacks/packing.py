"""Arrays as few bytes, and back to the last bit: what a file of an attack set is made of.

Every array is one deflated stream of a dtype and a shape, both declared. How it becomes a stream:

==========  ==================================================================================
``bytes``   as it lies in memory, all first bytes of its values before all second ones
``levels``  values of a sensor's grid, as its whole numbers
``moves``   values of a sensor's grid, as their distance from another array, in steps of it
==========  ==================================================================================

What is unpacked is bounded before anything is reserved: a stream that cannot hold what is declared,
or holds something else, is refused.
"""

import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from neurorobust.attacks.threats import Threat
from neurorobust.ir import Array

DTYPES = frozenset(
    np.dtype(kind).str
    for kind in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
)
DEFLATE = 1032
"""Bytes that one byte of a deflated stream gives at most."""
_HEAD = 64
_LEVEL = 9


@dataclass(frozen=True, slots=True)
class Packing:
    """How an array was packed.

    Attributes:
        way: ``bytes``, ``levels`` or ``moves``.
        dtype: Of the array, as numpy spells it.
        shape: Of the array.
        stored: dtype of the stream's numbers.
    """

    way: str
    dtype: str
    shape: tuple[int, ...]
    stored: str

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """What ``describe`` gave.

        Raises:
            KeyError, TypeError, ValueError: if the record is none.
        """
        found = cls(record["way"], record["dtype"], tuple(record["shape"]), record["stored"])
        if found.way not in ("bytes", "levels", "moves"):
            raise ValueError(f"{found.way!r} is no way of packing")
        if not {found.dtype, found.stored} <= DTYPES:
            raise ValueError(f"{found.dtype!r} from {found.stored!r} are no numbers")
        if not all(type(n) is int and n >= 0 for n in found.shape):
            raise ValueError(f"{list(found.shape)} is no shape")
        return found

    def describe(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"shape": list(self.shape)}

    @property
    def size(self) -> int:
        """Bytes of the stream once inflated."""
        return math.prod(self.shape) * np.dtype(self.stored).itemsize


def pack(
    array: Array, threat: Threat | None = None, origin: Array | None = None
) -> tuple[Packing, Array]:
    """An array as the bytes (n,) of a stream.

    Args:
        array: Numbers.
        threat: Where it has a grid that all values lie on, only their place on it is kept.
        origin: What the values moved from; of the same shape.
    """
    way, kept = "bytes", np.ascontiguousarray(array)
    if threat is not None and (codes := _codes(array, threat)) is not None:
        way, kept = "levels", codes
        start = None if origin is None else _codes(origin, threat)
        if start is not None:
            way, kept = "moves", _narrow(codes.astype(np.int64) - start.astype(np.int64))
    split = kept.reshape(-1).view(np.uint8).reshape(-1, kept.dtype.itemsize).T
    stream = zlib.compress(split.tobytes(), _LEVEL)
    packing = Packing(way, array.dtype.str, array.shape, kept.dtype.str)
    return packing, np.frombuffer(stream, np.uint8)


def unpack(
    packing: Packing, stream: Array, threat: Threat | None = None, origin: Array | None = None
) -> Array:
    """The array of a stream.

    Raises:
        ValueError: if the stream is damaged or holds something else than is declared, or an origin
            or a grid is needed and there is none.
    """
    if packing.size > DEFLATE * stream.nbytes + _HEAD:
        msg = f"{stream.nbytes} bytes cannot hold the {packing.size} that are declared"
        raise ValueError(msg)
    opened = zlib.decompressobj()
    try:
        held = opened.decompress(stream.tobytes(), packing.size + 1)
    except zlib.error as error:
        raise ValueError(f"a stream is damaged: {error}") from error
    if len(held) != packing.size or not opened.eof or opened.unused_data:
        msg = f"a stream holds other than the {packing.size} bytes that are declared"
        raise ValueError(msg)
    stored = np.dtype(packing.stored)
    split = np.frombuffer(held, np.uint8).reshape(stored.itemsize, math.prod(packing.shape)).T
    numbers = np.ascontiguousarray(split).reshape(-1).view(stored).reshape(packing.shape)
    if packing.way == "bytes":
        if packing.stored != packing.dtype:
            raise ValueError(f"it stores {packing.stored} for {packing.dtype}")
        return numbers
    if threat is None or threat.levels is None:
        raise ValueError("it stores places on a grid, and the threat has none")
    codes = numbers.astype(np.int64)
    if packing.way == "moves":
        start = None if origin is None else _codes(origin, threat)
        if start is None or start.shape != codes.shape:
            raise ValueError("it stores moves of samples that are no others' on the grid")
        codes = codes + start
    if codes.size and (codes.min() < 0 or codes.max() >= threat.levels):
        raise ValueError("it stores places beyond the grid")
    return threat.values(codes).astype(packing.dtype)


def _codes(values: Array, threat: Threat) -> Array | None:
    """Places on the grid, if they give the values back to the last bit."""
    if threat.levels is None or values.dtype.kind != "f" or not np.isfinite(values).all():
        return None
    low, high = threat.bounds
    if values.size and (values.min() < low or values.max() > high):
        return None
    codes = threat.codes(values)
    same = threat.values(codes).astype(values.dtype)
    return codes if np.array_equal(same.view(f"u{same.itemsize}"), _bits(values)) else None


def _bits(values: Array) -> Array:
    bits: Array = np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")
    return bits


def _narrow(whole: Array) -> Array:
    """The same in the smallest signed integers that hold it."""
    low, high = (int(whole.min()), int(whole.max())) if whole.size else (0, 0)
    kind = next(
        k for k in ("i1", "i2", "i4", "i8") if np.iinfo(k).min <= low and high <= np.iinfo(k).max
    )
    return whole.astype(kind)
