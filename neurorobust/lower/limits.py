"""Widths of an integer target."""

from dataclasses import dataclass

from neurorobust.profiles.schema import LoihiArithmetic, whole


@dataclass(frozen=True, slots=True)
class Limits:
    """Widths of the target, as plain integers."""

    weight_bits: int
    threshold_max: int
    bias_mantissa_max: int
    bias_exponent_max: int
    decay_one: int
    delay_max: int

    @classmethod
    def of(cls, arithmetic: LoihiArithmetic) -> "Limits":
        """Read from a profile."""
        mantissa = whole(arithmetic.bias_mantissa_bits, "bias_mantissa_bits")  # sign included
        return cls(
            weight_bits=whole(arithmetic.weight_bits, "weight_bits"),
            threshold_max=(1 << whole(arithmetic.threshold_bits, "threshold_bits")) - 1,
            bias_mantissa_max=(1 << (mantissa - 1)) - 1,
            bias_exponent_max=whole(arithmetic.bias_exponent_max, "bias_exponent_max"),
            decay_one=1 << whole(arithmetic.decay_bits, "decay_bits"),
            delay_max=whole(arithmetic.delay_max, "delay_max"),
        )
