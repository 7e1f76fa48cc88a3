"""One population and its synapses on one integer scale.

The scale ``S`` turns membrane units into integers: weights become ``S W`` on the weight grid,
thresholds ``S theta``, biases ``64 S b`` (states carry six more bits). It starts as the largest at
which

1. every weight keeps within its bits,
2. every threshold within its mantissa,
3. every bias within mantissa and exponent,

lowered so that a uniform threshold is an exact integer. It then shrinks while, with the weights as
rounded and whatever the input,

4. the synaptic current could wrap, or
5. the membrane of a readout could saturate within T steps.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurorobust.ir import (
    LI,
    LIF,
    Affine,
    Array,
    Conv2d,
    FixedConv2d,
    FixedDense,
    FixedInput,
    FixedLI,
    FixedLIF,
    Graph,
    Input,
    Node,
)
from neurorobust.ir.fixed import DECAY_ONE, STATE_LIMIT, STATE_SHIFT, SignMode
from neurorobust.lower.limits import Limits
from neurorobust.lower.refusals import sources_of

STATE_ONE = 1 << STATE_SHIFT


class Population:
    """One neuron node with the synapses that feed it, on one scale."""

    def __init__(self, graph: Graph, name: str, source: FixedInput, limits: Limits) -> None:
        node = graph.nodes[name]
        assert isinstance(node, LIF | LI)  # noqa: S101  # the caller's case
        self.name, self.node, self.limits = name, node, limits
        self.steps, self.shape = graph.header.steps, graph.shapes[name]
        self.synapses: dict[str, Affine | Conv2d] = {}
        self.weights: dict[str, Array] = {}
        self.payload: dict[str, int] = {}
        self.bias = np.zeros(self.shape) + node.bias
        for edge in graph.incoming(name):
            synapse = graph.nodes[edge.source]
            assert isinstance(synapse, Affine | Conv2d)  # noqa: S101  # refused otherwise
            graded = isinstance(graph.nodes[sources_of(graph, edge.source)[0]], Input)
            self.synapses[edge.source] = synapse
            self.weights[edge.source] = synapse.weight * (1 / source.scale if graded else 1.0)
            self.payload[edge.source] = source.high if graded else 1
        self.scale, self.limited_by = self._largest_scale()
        while (share := max(use := self._use(), key=use.__getitem__)) and use[share] > 1:
            self.scale = self._aligned(self.scale * min(1 / use[share], 0.99))
            self.limited_by = share

    def _largest_scale(self) -> tuple[float, str]:
        """The scale at which weights, threshold or bias fill their bits, and which does."""
        bounds = {
            "weight bits": min(
                self._weight_range(w)[1] / m if (m := np.abs(w).max()) else np.inf
                for w in self.weights.values()
            ),
            "bias": self._bias_bound(),
        }
        if isinstance(self.node, LIF):
            bounds["threshold"] = self.limits.threshold_max / max(self.node.threshold.max(), 1e-300)
        limited_by = min(bounds, key=lambda key: bounds[key])
        if not np.isfinite(bounds[limited_by]):
            return 1.0, "no weights"
        return self._aligned(bounds[limited_by]), limited_by

    def _aligned(self, scale: float) -> float:
        """The next scale below at which a uniform threshold is an integer."""
        if isinstance(self.node, LIF) and np.ptp(self.node.threshold) == 0:
            theta = float(self.node.threshold.flat[0])
            if theta > 0 and (units := np.floor(scale * theta)) >= 1:
                return float(units / theta)
        return float(scale)

    def _use(self) -> dict[str, float]:
        """Share of current and readout that the rounded weights can reach, whatever the input."""
        rounded = {key: self._integers(weight)[0] for key, weight in self.weights.items()}
        neuron = self._neuron()
        peak = self._peak(rounded) * STATE_ONE
        current = peak * self._held((DECAY_ONE - 1 - neuron.du.min()) / DECAY_ONE)
        use = {"synaptic current": current / (STATE_LIMIT - 1)}
        if isinstance(self.node, LI):
            bias = np.abs(neuron.bias_mant * 2.0**neuron.bias_exp).max()
            reached = (peak + bias) * self._held(1 - neuron.dv.min() / DECAY_ONE)
            use["readout range"] = reached / (STATE_LIMIT - 1)
        return use

    def _held(self, decay: float) -> float:
        """How often a constant input is found in a state after T steps."""
        return float(sum(decay**k for k in range(self.steps)))

    def _peak(self, weights: Mapping[str, Array]) -> float:
        """Largest |synaptic sum| of a step over all inputs, by the weights' signs."""
        up = sum(_row_sum(w.clip(min=0)) * self.payload[k] for k, w in weights.items())
        down = sum(_row_sum((-w).clip(min=0)) * self.payload[k] for k, w in weights.items())
        return max(float(np.max(up)), float(np.max(down)))

    def _bias_bound(self) -> float:
        largest = float(np.abs(self.bias).max()) * STATE_ONE
        room = self.limits.bias_mantissa_max << self.limits.bias_exponent_max
        return room / largest if largest else np.inf

    def _weight_range(self, weight: Array) -> tuple[int, int, int, SignMode]:
        """Smallest and largest integer, grid step and sign mode."""
        bits = self.limits.weight_bits
        if weight.min() >= 0:
            step = 1 << (8 - bits)
            return 0, 256 - step, step, "exc"
        if weight.max() <= 0:
            step = 1 << (8 - bits)
            return step - 256, 256 - step, step, "inh"
        step = 1 << (9 - bits)
        return -256, 256 - step, step, "mixed"

    def _integers(self, weight: Array) -> tuple[Array, SignMode]:
        low, high, step, mode = self._weight_range(weight)
        grid = np.rint(weight * self.scale / step) * step
        return grid.clip(low, high).astype(np.int32), mode

    def lowered(self) -> dict[str, Node]:
        """The integer nodes by name."""
        nodes: dict[str, Node] = {}
        for key, synapse in self.synapses.items():
            integers, mode = self._integers(self.weights[key])
            if isinstance(synapse, Conv2d):
                nodes[key] = FixedConv2d(
                    weight=integers,
                    stride=synapse.stride,
                    padding=synapse.padding,
                    dilation=synapse.dilation,
                    groups=synapse.groups,
                )
            else:
                nodes[key] = FixedDense(
                    weight=integers,
                    weight_bits=self.limits.weight_bits,
                    sign_mode=mode,
                    message_bits=self.payload[key].bit_length() if self.payload[key] > 1 else 0,
                )
        nodes[self.name] = self._neuron()
        return nodes

    def _neuron(self) -> FixedLIF | FixedLI:
        mantissa, exponent = self._bias()
        # The law has decays in units of 1/4096; a coarser target uses some of these only.
        unit = max(DECAY_ONE // self.limits.decay_one, 1)
        shared: dict[str, Any] = {
            "dv": _whole(self.limits.decay_one * (1 - self.node.beta)) * unit,
            "bias_mant": mantissa,
            "bias_exp": np.array(exponent, dtype=np.int32),
        }
        if isinstance(self.node, LI):
            return FixedLI(**shared)
        alpha = self.node.alpha
        kept = np.zeros(()) if alpha is None else _whole(self.limits.decay_one * alpha) * unit
        return FixedLIF(
            **shared,
            du=_whole(DECAY_ONE - 1 - kept).clip(-1, DECAY_ONE - 1),
            vth=_whole(self.node.threshold * self.scale),
        )

    def _bias(self) -> tuple[Array, int]:
        wanted = self.bias * self.scale * STATE_ONE
        exponent = 0
        while np.abs(np.rint(wanted / 2**exponent)).max() > self.limits.bias_mantissa_max:
            exponent += 1
        mantissa = _whole(wanted / 2**exponent)
        # One number per channel, or one in all, where the population shares it.
        while mantissa.ndim and all(np.ptp(mantissa, axis=-1, keepdims=True).ravel() == 0):
            shared = mantissa[..., :1]
            if shared.shape == mantissa.shape:
                break
            mantissa = shared
        return mantissa, exponent

    def report(self) -> dict[str, Any]:
        """What was lost: one row of the lowering report."""
        error, size = 0.0, 0.0
        for weight in self.weights.values():
            lost = self._integers(weight)[0] / self.scale - weight
            error = max(error, float(np.abs(lost).max()))
            size = max(size, float(np.abs(weight).max()))
        row: dict[str, Any] = {
            "layer": self.name,
            "synapses": ", ".join(self.synapses),
            "scale": self.scale,
            "limited_by": self.limited_by,
            "weight_bits": self.limits.weight_bits,
            "weight_error_max": error / size if size else 0.0,
            "decay_error_max": float(
                np.abs(
                    1
                    - _whole(self.limits.decay_one * (1 - self.node.beta)) / self.limits.decay_one
                    - self.node.beta
                ).max()
            ),
        }
        mantissa, exponent = self._bias()
        kept = mantissa * 2.0**exponent / (self.scale * STATE_ONE)
        row["bias_error_max"] = float(np.abs(kept - self.bias).max())
        if isinstance(self.node, LIF):
            threshold = _whole(self.node.threshold * self.scale)
            row["threshold"] = int(threshold.max())
            row["threshold_error_max"] = float(
                np.abs(threshold / self.scale - self.node.threshold).max()
            )
        return row


def _row_sum(weight: Array) -> Array:
    total: Array = weight.reshape(len(weight), -1).sum(1)
    return total


def _whole(value: Array) -> Array:
    return np.rint(value).astype(np.int32)
