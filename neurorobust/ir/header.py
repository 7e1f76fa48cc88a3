"""What a network's arrays do not say: time step, input coding, bounds, preprocessing, origin."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np

from neurorobust.ir.base import Array, Shape

Coding = Literal["direct", "bernoulli", "events"]
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the arrays alone do not say.

    Attributes:
        name: For people.
        dt_s: Duration of a step in seconds, above 0.
        steps: Number of steps T a stimulus is shown for.
        coding: ``direct`` (the same values in every step), ``bernoulli`` (spikes drawn with the
            value as probability) or ``events`` (values given per step).
        bounds: Smallest and largest legal input value, before preprocessing.
        levels: Number of values the sensor can give between the bounds, both included (256 for
            8-bit pixels); None where the input is continuous.
        mean: Subtracted from the input, one number per channel (or one, or none).
        std: Divides the input after that.
        classes: Names of the classes, in the order of the scores; may be empty.
        provenance: Where the model comes from. Not part of the content hash.
    """

    name: str = ""
    dt_s: float
    steps: int
    coding: Coding = "direct"
    bounds: tuple[float, float] = (0.0, 1.0)
    levels: int | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)


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
