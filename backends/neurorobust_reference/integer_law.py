"""Quantised rung: the chip's integers, in int64 with every wrap written out.

Equations: ``neurorobust.ir.fixed``. Nothing here rounds by accident: a shift to the right floors,
``trunc0`` rounds towards zero, and wraps keep the low bits in two's complement.
"""

import numpy as np

from neurorobust.ir import (
    Array,
    FixedConv2d,
    FixedDense,
    FixedInput,
    FixedLI,
    FixedLIF,
    Flatten,
    Output,
)
from neurorobust.ir.fixed import DECAY_ONE, STATE_LIMIT, STATE_SHIFT
from neurorobust_reference.float_law import output_law
from neurorobust_reference.float_maps import flatten_law, preprocess
from neurorobust_reference.unit import LawBook, Map, Setting, Unit
from neurorobust_reference.windows import correlate


def wrap(x: Array, bits: int) -> Array:
    """The low bits as a signed number: ``-2^(bits-1) .. 2^(bits-1) - 1``."""
    half = 1 << (bits - 1)
    return ((x + half) & (2 * half - 1)) - half


def w32(x: Array) -> Array:
    """Wrap to int32."""
    return wrap(x, 32)


def trunc0(x: Array) -> Array:
    """``x / 4096`` rounded towards zero; this is how decays are applied."""
    rounded: Array = np.sign(x) * (np.abs(x) // DECAY_ONE)
    return rounded


def scale_by_power(x: Array, exponent: Array) -> Array:
    """``w32(x 2^exponent)``; a negative exponent floors."""
    return w32((x << np.maximum(exponent, 0)) >> np.maximum(-exponent, 0))


def input_law(node: FixedInput, setting: Setting) -> Map:
    """``q = clip(round((x - offset) scale), low, high)``, half to even, after preprocessing."""

    def law(x: Array) -> Array:
        steps = np.rint(
            (preprocess(x.astype(np.float64), setting.header) - node.offset) * node.scale
        )
        return np.clip(steps, node.low, node.high).astype(np.int64)

    return Map(law)


def dense_law(node: FixedDense, _setting: Setting) -> Map:
    """``y = w32(w32(W x) 2^weight_exp)``; without messages any non-zero input is one spike."""
    weight = node.effective_weight.astype(np.int64)
    exponent = np.asarray(node.weight_exp)

    def law(x: Array) -> Array:
        message = x if node.message_bits > 0 else (x != 0).astype(np.int64)
        return scale_by_power(w32(message @ weight.T), exponent)

    return Map(law)


def conv_law(node: FixedConv2d, _setting: Setting) -> Map:
    """``y = w24(w32(conv(x, W)))``; the inner wrap changes no bit that the outer one keeps."""
    weight = node.weight.astype(np.int64)
    return Map(lambda x: wrap(correlate(x, weight, node), 24))


class FixedNeuronUnit(Unit):
    """The integer CuBa neuron up to its membrane; FixedLI as it is."""

    def __init__(self, node: FixedLIF | FixedLI, setting: Setting) -> None:
        self.du, self.dv = node.du.astype(np.int64), node.dv.astype(np.int64)
        self.bias = scale_by_power(node.bias_mant.astype(np.int64), node.bias_exp.astype(np.int64))
        self.u = np.zeros(setting.shape, np.int64)
        self.v = np.zeros(setting.shape, np.int64)

    def step(self, a: Array) -> Array:
        """The membrane after this step's synaptic sum ``a``."""
        x = w32(trunc0(self.u * (DECAY_ONE - 1 - self.du)) + w32(a << STATE_SHIFT))
        # One turn of 24 bits, not a modulus: +2^23 stays, -2^23 becomes +2^23.
        turns = (x > STATE_LIMIT).astype(np.int64) - (x <= -STATE_LIMIT)
        self.u = x - turns * 2 * STATE_LIMIT
        v = w32(trunc0(self.v * (DECAY_ONE - self.dv)) + self.u + self.bias)
        self.v = np.clip(v, -(STATE_LIMIT - 1), STATE_LIMIT - 1)
        self.membrane = self.v
        return self.v


class FixedLIFUnit(FixedNeuronUnit):
    """Fires strictly above the threshold and then sets the membrane, not the current, to zero."""

    def __init__(self, node: FixedLIF, setting: Setting) -> None:
        super().__init__(node, setting)
        self.threshold = node.vth.astype(np.int64) << STATE_SHIFT

    def step(self, a: Array) -> Array:
        """Spikes of this step."""
        v = super().step(a)
        s = v > self.threshold
        self.v = np.where(s, 0, v)
        return s.astype(np.int64)


INTEGER_LAWS: LawBook = {
    FixedInput: input_law,
    Flatten: flatten_law,
    Output: output_law,
    FixedDense: dense_law,
    FixedConv2d: conv_law,
    FixedLIF: FixedLIFUnit,
    FixedLI: FixedNeuronUnit,
}
