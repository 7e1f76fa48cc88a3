"""What a network's arrays do not say: time step, input coding, bounds, preprocessing, origin."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Coding = Literal["direct", "bernoulli", "events"]


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
