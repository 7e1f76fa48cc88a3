"""What ``mean`` and ``std`` of a header do to the values that are shown."""

from typing import Any, TypeVar

import numpy as np

from neurorobust.ir.base import Array, Shape
from neurorobust.ir.header import Header

V = TypeVar("V")


def normalisation(header: Header, shape: Shape) -> tuple[Array, Array]:
    """Mean and deviation, one number per channel of a sample's shape; 0 and 1 where not stated."""
    per_channel = (-1, *[1] * (len(shape) - 1))
    mean, std = header.mean or (0.0,), header.std or (1.0,)
    return np.reshape(mean, per_channel), np.reshape(std, per_channel)


def preprocess(header: Header, values: V, lead: int) -> V:
    """``(x - mean) / std`` per channel, in the type of the values.

    Args:
        header: What the network states.
        values: An array or a tensor.
        lead: Axes before the channels: 1 for (B, C, ...), 2 for (B, T, C, ...).
    """
    x: Any = values
    if not header.mean and not header.std:
        return values
    mean, std = normalisation(header, tuple(x.shape[lead:]))
    if isinstance(x, np.ndarray):
        mean, std = (v.astype(np.result_type(x.dtype, np.float32)) for v in (mean, std))
        return (x - mean) / std  # type: ignore[return-value]
    return (x - x.new_tensor(mean)) / x.new_tensor(std)  # type: ignore[no-any-return]
