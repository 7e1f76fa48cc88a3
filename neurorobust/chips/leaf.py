"""One figure of a profile: value, unit, source and evidence, or the reason why there is none."""

from math import isfinite
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from neurorobust.errors import ProfileError

Unit = Literal[
    "1", "%", "bit", "byte", "word", "step", "neuron", "synapse", "axon", "core", "chip", "layer",
    "event", "event/s", "pJ", "nJ", "uJ", "mJ", "uW", "mW", "W", "ns", "us", "ms", "s", "MHz",
    "nm", "mm2", "V", "1/s",
]  # fmt: skip
Evidence = Literal[
    "measured", "fitted", "simulated", "vendor", "derived", "documented", "inferred", "definition"
]
Kind = Literal["wall", "budget", "observed"]
"""A hard limit of the silicon; a limit of time or throughput; what somebody saw."""

SI = {
    "pJ": 1e-12,
    "nJ": 1e-9,
    "uJ": 1e-6,
    "mJ": 1e-3,
    "uW": 1e-6,
    "mW": 1e-3,
    "W": 1.0,
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "MHz": 1e6,
}
"""Factor from a unit to joules, watts, seconds or hertz; units that are not here count things."""


class Strict(BaseModel):
    """Base of everything in a profile: unknown keys are faults, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Strict):
    """Where figures come from.

    Attributes:
        cite: What to look up.
        where: Table, figure, file or section.
        read: How it was read: ``primary``, ``abstract``, ``transcription`` (a third party quotes
            it) or ``executed``.
        via: The third party, for a transcription.
    """

    cite: str
    where: str = ""
    read: Literal["primary", "abstract", "transcription", "executed"]
    via: str = ""


class Leaf(Strict):
    """One figure.

    Attributes:
        value: The figure; absent means unknown, and then ``why`` says why. A list where it differs
            from core to core, spans a range, or names what is allowed.
        unit: Of the value.
        source: Key into the profile's sources.
        evidence: How the source knows.
        confidence: H, M or L: ours, not the source's.
        condition: Voltage, clock, activity … under which it holds.
        kind: ``wall``, ``budget`` or ``observed``; every limit that is checked has one.
        band: Factors on the value between which the truth is believed to lie.
        why: Reason for an absent value.
        of: Whose it is where it is known of a program for the chip only, and the chip itself may
            do more: ``Lava's LIF``.
    """

    value: int | float | str | list[int] | list[float] | list[str] | None = None
    unit: Unit | None = None
    source: str | None = None
    evidence: Evidence | None = None
    confidence: Literal["H", "M", "L"] | None = None
    condition: str | None = None
    kind: Kind | None = None
    band: tuple[float, float] | None = None
    why: str | None = None
    of: str | None = None

    @field_validator("value", mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        """No truth values, which pass as 0 and 1, and nothing that is not finite."""
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, bool) or (isinstance(item, float) and not isfinite(item)):
                msg = f"is {str(item).lower()}; give a finite number, or a word in quotes"
                raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _value_or_reason(self) -> Self:
        if self.value is None and not self.why:
            raise ValueError("has no value: say why")
        missing = [n for n in ("unit", "source", "evidence", "confidence") if not getattr(self, n)]
        if self.value is not None and missing:
            raise ValueError(f"has a value but no {', '.join(missing)}")
        if self.band and not 0 < self.band[0] <= 1 <= self.band[1]:
            raise ValueError(f"has a band {self.band}; give factors below and above 1")
        return self

    @property
    def number(self) -> float | None:
        """The value in SI units (or counted), if there is one and it is a number."""
        if not isinstance(self.value, int | float):
            return None
        return self.value * SI.get(self.unit or "1", 1.0)


class Figure(Strict):
    """A number that a deployment reports; its source is that of the deployment."""

    value: float
    unit: Unit
    condition: str | None = None


class Reading(Strict):
    """What one source says in a dispute."""

    value: int | float | str | list[int]
    source: str


class Dispute(Strict):
    """A figure on which sources differ.

    Attributes:
        about: What is in dispute.
        values: What each source says.
        used: What is used here.
    """

    about: str
    values: list[Reading]
    used: str

    @model_validator(mode="after")
    def _several(self) -> Self:
        if len({str(reading.value) for reading in self.values}) < 2:
            raise ValueError("has fewer than two different values; a dispute has several")
        return self


def count(leaf: Leaf) -> Leaf:
    """A leaf whose value, if it has one, counts something: a whole number of at least 1.

    Raises:
        ValueError: with the message of what is wrong, as pydantic wants it.
    """
    if leaf.value is not None and not (isinstance(leaf.value, int) and leaf.value >= 1):
        raise ValueError(f"is {leaf.value!r}; give a whole number of at least 1")
    return leaf


def whole(leaf: Leaf, name: str) -> int:
    """The integer of a leaf that lowering cannot do without.

    Raises:
        ProfileError: if the profile does not know it.
    """
    if not isinstance(leaf.value, int):
        why = leaf.why or "no reason given"
        msg = f"{name} must be a whole number, is {leaf.value!r} ({why}); lowering needs it"
        raise ProfileError(msg)
    return leaf.value
