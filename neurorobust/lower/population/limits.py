"""Widths of an integer target, held to what the integer law of ``neurorobust.ir.fixed`` can do."""

from dataclasses import dataclass, replace

from neurorobust.asking import argument
from neurorobust.chips.arithmetic import LoihiArithmetic
from neurorobust.chips.leaf import Leaf, whole
from neurorobust.errors import InvalidInput, ProfileError

LAW = {
    "state_bits": 24,
    "rounding": "toward_zero",
    "current_overflow": "wrap",
    "membrane_overflow": "saturate",
}
"""What the law has built in; a target that differs needs a law of its own."""

GROUPS_MAX = 127
"""Groups, strides, paddings and dilations of a convolution are 8-bit numbers with a sign."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Widths of the target, as plain integers, and whose neuron it has."""

    neuron: str
    weight_bits: int
    threshold_max: int
    bias_mantissa_max: int
    bias_exponent_max: int
    decay_one: int
    delay_max: int

    @classmethod
    def of(cls, arithmetic: LoihiArithmetic) -> "Limits":
        """Read from a profile.

        Raises:
            ProfileError: if a width is unknown or beyond the law, or the target has another law.
        """
        for name, wanted in LAW.items():
            leaf: Leaf = getattr(arithmetic, name)
            if leaf.value != wanted:
                msg = f"{name} is {leaf.value!r}; the integer law here has {wanted!r} and no other"
                raise ProfileError(msg)

        def width(name: str, low: int, high: int) -> int:
            value = whole(getattr(arithmetic, name), name)
            if not low <= value <= high:
                raise ProfileError(f"{name} is {value}; the integer law here takes {low}..{high}")
            return value

        return cls(
            neuron=str(arithmetic.neuron.value),
            weight_bits=width("weight_bits", 2, 8),
            threshold_max=(1 << width("threshold_bits", 1, 17)) - 1,
            bias_mantissa_max=(1 << (width("bias_mantissa_bits", 2, 16) - 1)) - 1,
            bias_exponent_max=width("bias_exponent_max", 0, 7),
            decay_one=1 << width("decay_bits", 1, 12),
            delay_max=width("delay_max", 0, 62),
        )

    def narrowed(self, *, weight_bits: int | None, decay_bits: int | None) -> "Limits":
        """The same target with some of its bits left unused.

        Raises:
            InvalidInput: for more bits than there are, or fewer than 2 of a weight, 1 of a decay.
        """
        decays = self.decay_one.bit_length() - 1
        for name, bits, low, high in (
            ("weight_bits", weight_bits, 2, self.weight_bits),
            ("decay_bits", decay_bits, 1, decays),
        ):
            if bits is not None and not low <= bits <= high:
                said = f"{argument(name)} is {bits}"
                raise InvalidInput(f"{said}; this target has {high}, choose from {low}..{high}")
        return replace(
            self,
            weight_bits=self.weight_bits if weight_bits is None else weight_bits,
            decay_one=1 << (decays if decay_bits is None else decay_bits),
        )
