"""Quantised rung: the chip's integers, in int64 with every wrap written out.

Equations: ``neurorobust.ir.fixed``. Nothing here rounds by accident: a shift to the right floors,
``trunc0`` rounds towards zero, and wraps keep the low bits in two's complement.
"""

import numpy as np

from neurorobust import ir
from neurorobust.errors import InvalidInput
from neurorobust.ir.fixed import DECAY_ONE, STATE_LIMIT, STATE_SHIFT
from neurorobust_reference.float_law import output_law
from neurorobust_reference.float_maps import flatten_law, preprocess
from neurorobust_reference.unit import LawBook, Map, Setting, Unit
from neurorobust_reference.windows import correlate


def wrap(x: ir.Array, bits: int) -> ir.Array:
    """The low bits as a signed number: ``-2^(bits-1) .. 2^(bits-1) - 1``."""
    half = 1 << (bits - 1)
    return ((x + half) & (2 * half - 1)) - half


def w32(x: ir.Array) -> ir.Array:
    """Wrap to int32."""
    return wrap(x, 32)


def trunc0(x: ir.Array) -> ir.Array:
    """``x / 4096`` rounded towards zero; this is how decays are applied."""
    rounded: ir.Array = np.sign(x) * (np.abs(x) // DECAY_ONE)
    return rounded


def input_law(node: ir.FixedInput, setting: Setting) -> Map:
    """``q = clip(round((x - offset) scale), low, high)``, half to even, after preprocessing."""

    def law(x: ir.Array) -> ir.Array:
        real = preprocess(x.astype(np.float64), setting.header)
        if np.isnan(real).any():
            raise InvalidInput("the stimulus holds values that are no numbers (NaN); remove them")
        return np.clip(np.rint((real - node.offset) * node.scale), node.low, node.high).astype(
            np.int64
        )

    return Map(law)


class Sums(Unit):
    """What synapses have in common: sums of products, whose lost bits can be counted."""

    counts = True

    def __init__(self) -> None:
        self.lost: list[tuple[ir.Array, ir.Array]] = []  # exact sums beside what became of them

    def keep(self, exact: ir.Array, bits: int) -> ir.Array:
        """The low bits of a sum; both are remembered for this step."""
        kept = wrap(exact, bits)
        self.lost.append((exact, kept))
        return kept

    def scaled(self, total: ir.Array, exponent: int) -> ir.Array:
        """``w32(w32(total) 2^exponent)``; a negative exponent floors."""
        return self.keep(total << max(exponent, 0), 32) >> max(-exponent, 0)

    def wrapped(self) -> ir.Array:
        """Over all sums of the step."""
        return np.asarray(sum((exact != kept).astype(np.int64) for exact, kept in self.lost))

    def saturated(self) -> ir.Array:
        """A synapse never clips."""
        return np.zeros_like(self.wrapped())


class DenseUnit(Sums):
    """``y = w32(W x 2^weight_exp)``; without messages any non-zero input is one spike."""

    def __init__(self, node: ir.FixedDense, _setting: Setting) -> None:
        super().__init__()
        self.node, self.weight = node, node.effective_weight.astype(np.int64)

    def step(self, x: ir.Array) -> ir.Array:
        """The sums of this step."""
        self.lost = []
        return self.scaled(self.message(x) @ self.weight.T, self.node.weight_exp)

    def message(self, x: ir.Array) -> ir.Array:
        """What an input says to the synapses."""
        return x if self.node.message_bits > 0 else (x != 0).astype(np.int64)


class DelayDenseUnit(DenseUnit):
    """The same for the synapses of each delay by themselves, and then the sum over the delays."""

    def __init__(self, node: ir.FixedDelayDense, setting: Setting) -> None:
        super().__init__(node, setting)
        self.parts = {int(k): self.weight * (node.delay == k) for k in np.unique(node.delay)}
        self.past: list[ir.Array] = []  # messages, the latest first

    def step(self, x: ir.Array) -> ir.Array:
        """The sums that arrive in this step."""
        self.lost = []
        self.past = [self.message(x), *self.past[: max(self.parts)]]
        total = np.zeros((len(x), len(self.weight)), np.int64)
        for delay, weight in self.parts.items():
            if delay < len(self.past):
                total += self.scaled(self.past[delay] @ weight.T, self.node.weight_exp)
        return self.keep(total, 32)


class ConvUnit(Sums):
    """``y = w24(w32(conv(x, W)))``; the inner wrap changes no bit that the outer one keeps."""

    def __init__(self, node: ir.FixedConv2d, _setting: Setting) -> None:
        super().__init__()
        self.node, self.weight = node, node.weight.astype(np.int64)

    def step(self, x: ir.Array) -> ir.Array:
        """The sums of this step."""
        self.lost = []
        return self.keep(correlate(x, self.weight, self.node), 24)


class FixedNeuronUnit(Unit):
    """The integer CuBa neuron up to its membrane; FixedLI as it is."""

    counts = True

    def __init__(self, node: ir.FixedNeuron, setting: Setting) -> None:
        self.node, self.t = node, 0
        self.du, self.dv = node.du.astype(np.int64), node.dv.astype(np.int64)
        mant, exp = node.bias_mant.astype(np.int64), node.bias_exp.astype(np.int64)
        self.bias = w32((mant << np.maximum(exp, 0)) >> np.maximum(-exp, 0))
        self.u = np.zeros(setting.shape, np.int64)
        self.v = np.zeros(setting.shape, np.int64)

    def step(self, a: ir.Array) -> ir.Array:
        """The membrane after this step's synaptic sum ``a``."""
        interval, offset = self.node.reset_interval, self.node.reset_offset
        if interval and self.t % interval == offset:
            self.u, self.v = np.zeros_like(self.u), np.zeros_like(self.v)
        self.t += 1
        self.arrived = a
        self.drive = w32(a << STATE_SHIFT)
        self.x = trunc0(self.u * (DECAY_ONE - 1 - self.du)) + self.drive
        x = w32(self.x)
        # One turn of 24 bits, not a modulus: +2^23 stays, -2^23 becomes +2^23.
        turns = (x > STATE_LIMIT).astype(np.int64) - (x <= -STATE_LIMIT)
        self.u = x - turns * 2 * STATE_LIMIT
        self.free = w32(trunc0(self.v * (DECAY_ONE - self.dv)) + self.u + self.bias)
        self.v = np.clip(self.free, -(STATE_LIMIT - 1), STATE_LIMIT - 1)
        self.membrane = self.v
        return self.v

    def wrapped(self) -> ir.Array:
        """Where 64 a or x lost bits, or the current turned."""
        cut = (self.arrived << STATE_SHIFT != self.drive) | (w32(self.x) != self.x)
        return np.asarray(cut | (self.x > STATE_LIMIT) | (self.x <= -STATE_LIMIT))

    def saturated(self) -> ir.Array:
        """Where the membrane was clipped."""
        return np.asarray(self.free != self.membrane)


class FixedLIFUnit(FixedNeuronUnit):
    """Fires strictly above the threshold and then sets the membrane, not the current, to zero."""

    def __init__(self, node: ir.FixedLIF, setting: Setting) -> None:
        super().__init__(node, setting)
        self.threshold = node.vth.astype(np.int64) << STATE_SHIFT

    def step(self, a: ir.Array) -> ir.Array:
        """Spikes of this step."""
        v = super().step(a)
        s = v > self.threshold
        self.v = np.where(s, 0, v)
        return s.astype(np.int64)


class FixedTernaryLIFUnit(FixedNeuronUnit):
    """Fires +1 strictly above the upper and -1 strictly below the lower threshold."""

    def __init__(self, node: ir.FixedTernaryLIF, setting: Setting) -> None:
        super().__init__(node, setting)
        self.high = node.vth_high.astype(np.int64) << STATE_SHIFT
        self.low = node.vth_low.astype(np.int64) << STATE_SHIFT

    def step(self, a: ir.Array) -> ir.Array:
        """Spikes of this step, of either sign."""
        v = super().step(a)
        s = (v > self.high).astype(np.int64) - (v < self.low)
        self.v = np.where(s != 0, 0, v)
        return np.asarray(s)


INTEGER_LAWS: LawBook = {
    ir.FixedInput: input_law,
    ir.Flatten: flatten_law,
    ir.Output: output_law,
    ir.FixedDense: DenseUnit,
    ir.FixedDelayDense: DelayDenseUnit,
    ir.FixedConv2d: ConvUnit,
    ir.FixedLIF: FixedLIFUnit,
    ir.FixedTernaryLIF: FixedTernaryLIFUnit,
    ir.FixedLI: FixedNeuronUnit,
}
