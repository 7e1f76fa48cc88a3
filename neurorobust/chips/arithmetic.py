"""What a target computes with: one record per law."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from neurorobust.chips.leaf import Leaf, Strict

InputCoding = Literal["graded", "bias", "host"]
"""How values reach an integer network: as messages, as biases, or through neurons on the host."""

_CODINGS = get_args(InputCoding)


class FloatArithmetic(Strict):
    """Nothing is quantised."""

    law: Literal["float"]


class WeightArithmetic(Strict):
    """Weights are rounded to a symmetric grid per layer; everything else stays as it is."""

    law: Literal["weights"]
    weight_bits: Leaf


class LoihiArithmetic(Strict):
    """The integer law of ``neurorobust.ir.fixed`` and the widths it runs in.

    Attributes:
        neuron: Whose neuron it is, in a word or two: what has no form is missing there, which says
            nothing about what the chip could be made to do.
        weight_bits: Of a weight in the law: 8 is -256..254 in even steps with mixed signs.
        state_bits: Of current and membrane.
        decay_bits: Of a decay factor.
        threshold_bits: Of the threshold's mantissa.
        bias_mantissa_bits: Of the bias's mantissa, with sign.
        bias_exponent_max: Largest exponent of a bias.
        delay_max: Longest delay of a synapse.
        rounding: Of decays.
        current_overflow: What the current does beyond its bits.
        membrane_overflow: What the membrane does beyond its bits.
        input_codings: How values may enter: some of ``graded``, ``bias``, ``host``; without it, all
            of them.
    """

    law: Literal["loihi"]
    neuron: Leaf
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
    input_codings: Leaf | None = None

    @model_validator(mode="after")
    def _known_codings(self) -> Self:
        found = self.input_codings.value if self.input_codings else ["host"]
        if not isinstance(found, list) or not found or set(found) - set(_CODINGS):
            raise ValueError(f"input_codings is {found!r}; list some of {', '.join(_CODINGS)}")
        return self


class ChipArithmetic(Strict):
    """The arithmetic of a chip that has no integer engine here, as data for checks and readers.

    Attributes:
        law: ``iaf_event`` (Speck), ``xylo``, ``crossbar`` (TrueNorth), ``software`` (SpiNNaker),
            ``analog`` (BrainScaleS) or ``quant_cnn`` (Akida).
        weight_bits: Of a weight.
        weight_scale: What shares one scale.
        state_bits: Of current and membrane.
        overflow: What happens beyond these bits.
        decay: How states decay.
        threshold_bits: Of a threshold.
        compare: At the threshold, ``>`` or ``>=``.
        reset: Modes: ``hard``, ``soft``, ``none``.
        refractory: Steps or time after a spike.
        bias_bits: Of a bias.
        delay_max: Longest delay.
        payload_bits: Of a message.
        noise: What is random.
    """

    law: Literal["iaf_event", "xylo", "crossbar", "software", "analog", "quant_cnn"]
    weight_bits: Leaf
    weight_scale: Leaf
    state_bits: Leaf
    overflow: Leaf
    decay: Leaf
    threshold_bits: Leaf
    compare: Leaf
    reset: Leaf
    refractory: Leaf
    bias_bits: Leaf
    delay_max: Leaf
    payload_bits: Leaf
    noise: Leaf


Arithmetic = Annotated[
    FloatArithmetic | WeightArithmetic | LoihiArithmetic | ChipArithmetic,
    Field(discriminator="law"),
]
