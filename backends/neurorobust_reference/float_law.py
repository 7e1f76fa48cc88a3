"""Float rung, the neurons; and the law book of the rung. Equations: ``neurorobust.ir.neurons``."""

import numpy as np

from neurorobust import ir
from neurorobust_reference import float_maps
from neurorobust_reference.unit import LawBook, Map, Setting, Unit


class LIFUnit(Unit):
    """One population of LIF neurons.

    The order of the floating-point operations is part of the law: left to right as written.
    """

    i: ir.Array
    v: ir.Array
    s: ir.Array

    def __init__(self, node: ir.LIF, setting: Setting) -> None:
        def cast(value: ir.Array) -> ir.Array:
            array: ir.Array = value.astype(setting.dtype)
            return array

        def state(value: ir.Array) -> ir.Array:
            return np.broadcast_to(cast(value), setting.shape)

        self.node = node
        self.beta, self.threshold, self.bias = map(cast, (node.beta, node.threshold, node.bias))
        self.gain_in, self.gain_syn = cast(node.gain_in), cast(node.gain_syn)
        self.alpha = None if node.alpha is None else cast(node.alpha)
        self.v_min = None if node.v_min is None else cast(node.v_min)
        self.reset_to = cast(node.reset_to)
        self.i = state(node.i_init)
        self.v = state(node.v_init)
        self.s = state(np.zeros(()))
        self.rest = np.zeros(setting.shape, np.int64)  # refractory steps still to come

    def step(self, x: ir.Array) -> ir.Array:
        """Spikes of this step."""
        self.i = self._current(x)
        h = self.beta * self.v + self.gain_syn * self.i + self.bias
        h = self._reset(h, self.s, "next")
        resting = self.rest > 0
        h = np.where(resting, self.reset_to, h)
        s = np.where(resting, 0, self._fire(h)).astype(h.dtype)
        v = self._reset(h, s, "same")
        self.v = v if self.v_min is None else np.maximum(v, self.v_min)
        self.rest = np.where(s > 0, self.node.refractory, np.maximum(self.rest - 1, 0))
        self.s = s
        self.membrane = h
        return s

    def _current(self, x: ir.Array) -> ir.Array:
        i: ir.Array = self.gain_in * x
        if self.alpha is not None:
            i = self.alpha * self.i + i
        return i

    def _fire(self, h: ir.Array) -> ir.Array:
        if self.node.max_spikes == 1:
            fired: ir.Array = (
                h > self.threshold if self.node.compare == ">" else h >= self.threshold
            )
            return fired
        # The number of whole thresholds below h: those it exceeds, or those it reaches.
        count = h / self.threshold
        count = np.ceil(count) - 1 if self.node.compare == ">" else np.floor(count)
        counted: ir.Array = np.clip(count, 0, self.node.max_spikes)
        return counted

    def _reset(self, h: ir.Array, s: ir.Array, timing: str) -> ir.Array:
        if self.node.reset_timing != timing or self.node.reset == "none":
            return h
        hard = self.node.reset == "hard"
        v: ir.Array = np.where(s > 0, self.reset_to, h) if hard else h - self.reset_to * s
        return v


class LIUnit(Unit):
    """One population of leaky integrators; the output is the membrane."""

    def __init__(self, node: ir.LI, setting: Setting) -> None:
        self.beta, self.gain_in, self.bias = (
            value.astype(setting.dtype) for value in (node.beta, node.gain_in, node.bias)
        )
        self.v = np.broadcast_to(node.v_init.astype(setting.dtype), setting.shape)

    def step(self, x: ir.Array) -> ir.Array:
        """``v[t] = beta v[t-1] + gain_in x[t] + bias``."""
        self.v = self.beta * self.v + self.gain_in * x + self.bias
        self.membrane = self.v
        return self.v


def output_law(_node: ir.Output, _setting: Setting) -> Map:
    """What arrives; the readout looks at all steps together, at the end."""
    return Map(lambda x: x)


FLOAT_LAWS: LawBook = {
    ir.Input: float_maps.input_law,
    ir.Flatten: float_maps.flatten_law,
    ir.Output: output_law,
    ir.Affine: float_maps.affine_law,
    ir.Conv1d: float_maps.conv_law,
    ir.Conv2d: float_maps.conv_law,
    ir.BatchNorm: float_maps.batch_norm_law,
    ir.Pool2d: float_maps.pool_law,
    ir.LIF: LIFUnit,
    ir.LI: LIUnit,
}
