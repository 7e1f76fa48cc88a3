"""What a hardware profile says: numbers with unit, source and evidence, or why none."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from neurorobust.errors import ProfileError

Unit = Literal[
    "bit", "step", "word", "neuron", "core", "axon", "pJ", "nJ", "mW", "ns", "us", "ms", "1"
]
Evidence = Literal[
    "measured", "fitted", "simulated", "vendor", "documented", "inferred", "definition"
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Leaf(_Strict):
    """One figure.

    Attributes:
        value: The figure; absent means unknown, and then ``why`` says why.
        unit: Of the value.
        source: Key into the profile's sources.
        evidence: How the source knows.
        confidence: H, M or L: ours, not the source's.
        condition: Voltage, clock, activity … under which it holds.
        why: Reason for an absent value.
    """

    value: int | float | str | list[int] | list[str] | None = None
    unit: Unit | None = None
    source: str | None = None
    evidence: Evidence | None = None
    confidence: Literal["H", "M", "L"] | None = None
    condition: str | None = None
    why: str | None = None

    @model_validator(mode="after")
    def _value_or_reason(self) -> Self:
        if self.value is None and not self.why:
            msg = "has no value: say why"
            raise ValueError(msg)
        missing = [n for n in ("unit", "source", "evidence", "confidence") if not getattr(self, n)]
        if self.value is not None and missing:
            msg = f"has a value but no {', '.join(missing)}"
            raise ValueError(msg)
        return self


class Source(_Strict):
    """Where figures come from.

    Attributes:
        cite: What to look up.
        where: Table, figure, file or section.
        read: How it was read: ``primary``, ``abstract``, ``transcription`` or ``executed``.
    """

    cite: str
    where: str = ""
    read: Literal["primary", "abstract", "transcription", "executed"]


class FloatArithmetic(_Strict):
    """Nothing is quantised."""

    law: Literal["float"]


class WeightArithmetic(_Strict):
    """Weights are rounded to a symmetric grid per layer; everything else stays as it is."""

    law: Literal["weights"]
    weight_bits: Leaf


class LoihiArithmetic(_Strict):
    """The integer law of ``neurorobust.ir.fixed`` and the widths it runs in."""

    law: Literal["loihi"]
    weight_bits: Leaf
    state_bits: Leaf
    decay_bits: Leaf
    threshold_bits: Leaf
    bias_mantissa_bits: Leaf
    bias_exponent_max: Leaf
    delay_max: Leaf
    rounding: Leaf
    current_overflow: Leaf
    membrane_overflow: Leaf


Arithmetic = Annotated[
    FloatArithmetic | WeightArithmetic | LoihiArithmetic, Field(discriminator="law")
]


class Profile(_Strict):
    """A target of lowering.

    Attributes:
        schema_: Version of this schema.
        id: Short name, as in ``--profile``.
        name: For people.
        sources: By key.
        arithmetic: What the target computes with.
        resources: Limits of cores and memories.
        energy: Energy and power.
        timing: Durations.
        disputed: Figures on which sources differ, in words.
    """

    schema_: Literal["neurorobust/hw-profile/1"] = Field(alias="schema")
    id: str
    name: str
    sources: dict[str, Source]
    arithmetic: Arithmetic
    resources: dict[str, Leaf] = {}
    energy: dict[str, Leaf] = {}
    timing: dict[str, Leaf] = {}
    disputed: list[str] = []

    @model_validator(mode="after")
    def _sources_resolve(self) -> Self:
        groups: list[dict[str, Any]] = [
            {name: getattr(self.arithmetic, name) for name in type(self.arithmetic).model_fields},
            self.resources,
            self.energy,
            self.timing,
        ]
        unknown = [
            f"{name} cites {leaf.source!r}"
            for group in groups
            for name, leaf in group.items()
            if isinstance(leaf, Leaf) and leaf.source and leaf.source not in self.sources
        ]
        if unknown:
            msg = f"not in sources: {'; '.join(unknown)}"
            raise ValueError(msg)
        return self


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
