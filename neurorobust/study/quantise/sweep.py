"""What a quantisation study varies: bits of the weights, scaling rule, bits of the decays."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import get_args

from neurorobust.chips.arithmetic import InputCoding
from neurorobust.errors import InvalidInput
from neurorobust.lower.population.scaling import Scaling

SCALINGS: tuple[Scaling, ...] = get_args(Scaling)
"""Rules by which lowering chooses the scale of a population."""
INPUT_CODINGS: tuple[InputCoding, ...] = get_args(InputCoding)
"""Ways in which the input enters a chip."""
WEIGHT_BITS, DECAY_BITS = (2, 8), (1, 12)
"""Smallest and largest number of bits."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant.

    Attributes:
        weight_bits: Bits of a weight.
        scaling: Rule by which the scale is chosen.
        decay_bits: Bits of a decay; None takes the profile's.
    """

    weight_bits: int
    scaling: Scaling
    decay_bits: int | None = None

    def __str__(self) -> str:
        text = f"{self.weight_bits} bits, {self.scaling}"
        return text if self.decay_bits is None else f"{text}, decay {self.decay_bits} bits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """All combinations of the values of each axis.

    Attributes:
        weight_bits: 2..8 each.
        scalings: Names in ``SCALINGS``.
        decay_bits: 1..12 each; None takes the profile's.
        percentile: Of the rule ``percentile``, above 0, at most 100.
        input_coding: How the input enters the chip; None takes the profile's first.
    """

    weight_bits: Sequence[int]
    scalings: Sequence[Scaling] = ("max_abs",)
    decay_bits: Sequence[int | None] = (None,)
    percentile: float = 99.9
    input_coding: InputCoding | None = None

    def __post_init__(self) -> None:
        axes = {"bits": self.weight_bits, "scaling": self.scalings, "decay-bits": self.decay_bits}
        for name, values in axes.items():
            if not values or len(set(values)) < len(values):
                msg = f"{name} is {_listed(values) or 'empty'}; give at least one value, each once"
                raise InvalidInput(msg)
        if unknown := [name for name in self.scalings if name not in SCALINGS]:
            msg = f"no scaling rule is named {unknown[0]!r}; known are {', '.join(SCALINGS)}"
            raise InvalidInput(msg)
        if self.input_coding not in (None, *INPUT_CODINGS):
            known = ", ".join(INPUT_CODINGS)
            raise InvalidInput(f"no input coding is named {self.input_coding!r}; known are {known}")
        _require("bits", self.weight_bits, WEIGHT_BITS)
        _require("decay-bits", [b for b in self.decay_bits if b is not None], DECAY_BITS)
        if not 0 < self.percentile <= 100:
            msg = f"percentile is {self.percentile}; it must be above 0 and at most 100"
            raise InvalidInput(msg)

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The variants, by decay, then by rule, then by bits."""
        axes = product(self.decay_bits, self.scalings, self.weight_bits)
        return tuple(Variant(bits, rule, decay) for decay, rule, bits in axes)


def whole_numbers(text: str, name: str) -> tuple[int, ...]:
    """``4,6,8`` or ``2..8`` or both, ascending.

    Raises:
        InvalidInput: if the text is neither; named after the option.
    """
    found: set[int] = set()
    for part in text.split(","):
        low, dots, high = part.strip().partition("..")
        try:
            found.update(range(int(low), int(high if dots else low) + 1))
        except ValueError as error:
            msg = f"{name} is {text!r}; give whole numbers as 4,6,8 or 2..8"
            raise InvalidInput(msg) from error
    return tuple(sorted(found))


def _require(name: str, values: Sequence[int], limits: tuple[int, int]) -> None:
    low, high = limits
    if outside := [value for value in values if not low <= value <= high]:
        raise InvalidInput(f"{name} is {_listed(outside)}; it must lie in {low}..{high}")


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))
