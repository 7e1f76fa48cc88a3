"""One population and its synapses on one integer scale.

The scale ``S`` turns membrane units into integers: weights become ``S W 2^-e`` on the weight grid,
with an exponent ``e`` per dense synapse, which acts on its sum (floored where ``e`` is below 0, at
most one unit less per step); a convolution has none. Thresholds become ``S theta``, biases
``64 S b`` (states carry six more bits), a constant current ``S d``. It is bounded so that

1. every weight that the scaling rule keeps is within its bits,
2. every threshold within its mantissa,
3. every bias within mantissa and exponent,
4. every constant current within the mantissa of a bias,

and lowered so that a uniform threshold is an exact integer. It then shrinks while, with the weights
as rounded and whatever the input,

5. the synaptic current could wrap,
6. the membrane of a readout could saturate within T steps, or
7. that of a neuron which fires at its threshold, and therefore has to stay on whole units.
"""

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor, isfinite, log2
from typing import Any, Self

import numpy as np

from neurorobust import ir
from neurorobust.ir.fixed import DECAY_ONE, STATE_LIMIT, STATE_ONE, STATE_SHIFT, SignMode
from neurorobust.lower.population.limits import Limits
from neurorobust.lower.ranges import held
from neurorobust.lower.refusals import sources_of

CURRENT_MAX = (1 << 12) - 1
"""Largest mantissa of a constant current; it enters with an exponent of six."""
EXPONENTS = (-8, 7)
"""Ends of what the exponent of a dense synapse can be."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Integers that a synapse can hold: from ``low`` to ``high`` in steps of ``step``."""

    low: int
    high: int
    step: int
    mode: SignMode


class Population:
    """One neuron node with the synapses that feed it.

    Args:
        graph: Everything is folded and nothing refused.
        name: Of the neurons.
        source: The input in integers; None where it is a constant current, in membrane units.
        limits: Widths of the target.

    Attributes:
        weights: Per synapse, in membrane units per unit of what it receives.
        payload: Per synapse, ends of what it receives.
        drive: Largest magnitude of a constant current from the input, in membrane units, or 0.
        fine: Per synapse, the scale at which its weights use their grid best; see ``tuned``.
    """

    def __init__(
        self, graph: ir.Graph, name: str, source: ir.FixedInput | None, limits: Limits
    ) -> None:
        node = graph.nodes[name]
        assert isinstance(node, ir.LIF | ir.LI)  # noqa: S101  # the caller's case
        self.name, self.node, self.limits = name, node, limits
        self.steps, self.shape = graph.header.steps, graph.shapes[name]
        self.synapses: dict[str, ir.Affine | ir.Conv2d] = {}
        self.weights: dict[str, ir.Array] = {}
        self.payload: dict[str, tuple[int, int]] = {}
        self.grids: dict[str, Grid] = {}
        self.drive = 0.0
        self.fine: dict[str, float] = {}
        self.bias = np.zeros(self.shape) + node.bias
        for edge in graph.incoming(name):
            synapse = graph.nodes[edge.source]
            if isinstance(synapse, ir.Input):
                self.drive = float(graph.header.bounds[1])
                continue
            assert isinstance(synapse, ir.Affine | ir.Conv2d)  # noqa: S101  # refused otherwise
            self.synapses[edge.source] = synapse
            weight, payload = synapse.weight, (0, 1)
            if isinstance(graph.nodes[sources_of(graph, edge.source)[0]], ir.Input):
                assert source is not None  # noqa: S101  # currents enter neurons only
                weight, payload = weight * (1 / source.scale), (source.low, source.high)
            self.weights[edge.source], self.payload[edge.source] = weight, payload
            self.grids[edge.source] = grid_of(weight, limits.weight_bits)

    @property
    def closed(self) -> bool:
        """Whether the neurons fire at their threshold, too."""
        return isinstance(self.node, ir.LIF) and self.node.compare == ">="

    @cached_property
    def bounds(self) -> dict[str, float]:
        """Largest scale by all but the weights, by name in the report."""
        found = {"bias": self._bias_bound()}
        if isinstance(self.node, ir.LIF):
            found["threshold"] = self.limits.threshold_max / max(self.node.threshold.max(), 1e-300)
        if self.drive:
            found["input current"] = self.current_max / self.drive
        return found

    @property
    def current_max(self) -> int:
        """Largest constant current in integers."""
        return min(CURRENT_MAX, self.limits.bias_mantissa_max)

    def current(self, scale: float) -> int:
        """Largest constant current that enters, in integers; beyond it is clipped."""
        return min(round(self.drive * scale), self.current_max)

    def tuned(self, fine: dict[str, float]) -> Self:
        """The same with exponents: what a scale lacks to ``fine``, dense synapses shift."""
        made = copy(self)
        made.fine = fine
        return made

    def only(self, key: str) -> Self:
        """The same neurons with one of the synapses."""
        made = copy(self)
        made.synapses, made.weights = {key: self.synapses[key]}, {key: self.weights[key]}
        return made

    def exponent(self, key: str, scale: float) -> int:
        """The least exponent at which the weights of a synapse do not go beyond ``fine``."""
        fine = self.fine.get(key, np.inf)
        if isinstance(self.synapses[key], ir.Conv2d) or not isfinite(fine):
            return 0
        low, high = EXPONENTS
        return min(max(ceil(log2(scale / fine) - 1e-9), low), high)

    def filling(self, largest: dict[str, float]) -> dict[str, float]:
        """Per synapse, the scale at which this magnitude fills the grid."""
        return {key: self.grids[key].high / m if m else np.inf for key, m in largest.items()}

    @property
    def weight_bounds(self) -> list[float]:
        """Scales at which no synapse goes beyond ``fine``, largest first.

        The last is that of the strongest synapse without exponent. Above it exponents spread the
        strong ones, so that weaker ones beside them need not be floored.
        """
        known = {key: fine for key, fine in self.fine.items() if isfinite(fine)}
        least = min(known.values(), default=np.inf)
        if not known:
            return [least]
        fixed = [f for key, f in known.items() if isinstance(self.synapses[key], ir.Conv2d)]
        room = floor(log2(min([max(known.values()), *fixed]) / least) + 1e-9)
        return [least * 2.0**k for k in range(min(room, EXPONENTS[1]), -1, -1)]

    def aligned(self, scale: float) -> float:
        """The next scale down at which a uniform threshold is an integer."""
        if isinstance(self.node, ir.LIF) and np.ptp(self.node.threshold) == 0:
            theta = float(self.node.threshold.flat[0])
            if theta > 0 and (units := np.floor(scale * theta)) >= 1:
                return float(units / theta)
        return float(scale)

    def settled(self, scale: float, limited_by: str) -> tuple[float, str]:
        """The largest aligned scale, from here down, at which nothing can overflow."""
        scale = self.aligned(scale)
        while (share := max(use := self._use(scale), key=use.__getitem__)) and use[share] > 1:
            scale = self.aligned(scale * min(1 / use[share], 0.99))
            limited_by = share
        return scale, limited_by

    def fits(self, scale: float) -> bool:
        """Whether a scale is within all bounds and nothing can overflow."""
        return scale <= min(self.bounds.values()) and max(self._use(scale).values()) <= 1

    def _use(self, scale: float) -> dict[str, float]:
        """Share of each state that the rounded weights can reach, whatever the input."""
        down, up = self.reach(self.acting(scale), self.current(scale))
        down = down + sum(self.exponent(key, scale) < 0 for key in self.weights)  # by flooring
        neuron = self.neuron(scale)
        peak = max(float(np.max(up)), float(np.max(down))) * STATE_ONE
        current = peak * float(held((DECAY_ONE - 1 - neuron.du.min()) / DECAY_ONE, self.steps))
        use = {"synaptic current": current / (STATE_LIMIT - 1)}
        if isinstance(self.node, ir.LI) or self.closed:
            bias = np.abs(neuron.bias_mant * 2.0**neuron.bias_exp).max()
            reached = (peak + bias) * float(held(1 - neuron.dv.min() / DECAY_ONE, self.steps))
            name = "readout range" if isinstance(self.node, ir.LI) else "membrane range"
            use[name] = reached / (STATE_LIMIT - 1)
        return use

    def reach(self, weights: dict[str, ir.Array], drive: float) -> tuple[ir.Array, ir.Array]:
        """Largest sums of a step, downwards and upwards, over all inputs; shape (C, 1, ...).

        Args:
            weights: Per synapse, in the units of the result.
            drive: Largest constant current, in the same.
        """
        down = up = np.full((self.shape[0],), drive)
        for key, weight in weights.items():
            low, high = self.payload[key]
            rows = weight.reshape(len(weight), -1)
            plus, minus = rows.clip(min=0).sum(1), (-rows).clip(min=0).sum(1)
            up = up + (plus * high - minus * low)
            down = down + (minus * high - plus * low)
        column = (-1, *[1] * (len(self.shape) - 1))
        return down.reshape(column), up.reshape(column)

    def highest(
        self, down_up: tuple[ir.Array, ir.Array], bias: ir.Array, alpha: ir.Array, beta: ir.Array
    ) -> ir.Array:
        """A bound from above for membranes that start from 0, per neuron."""
        current = down_up[1] * held(alpha, self.steps)
        top: ir.Array = np.maximum(current + bias, 0) * held(beta, self.steps)
        return top

    def _bias_bound(self) -> float:
        largest = float(np.abs(self.bias).max())
        if not largest:
            return np.inf
        if self.closed:  # on whole units: mantissas with an exponent of six
            return self.limits.bias_mantissa_max / largest
        room = self.limits.bias_mantissa_max << self.limits.bias_exponent_max
        return room / (largest * STATE_ONE)

    def integers(self, key: str, scale: float) -> ir.Array:
        """The weights of a synapse on its grid."""
        grid = self.grids[key]
        clipped: ir.Array = self._whole(key, scale).clip(grid.low, grid.high).astype(np.int32)
        return clipped

    def acting(self, scale: float) -> dict[str, ir.Array]:
        """Per synapse, its weights with their exponent, in integer steps of the scale."""
        return {
            key: self.integers(key, scale) * 2.0 ** self.exponent(key, scale)
            for key in self.weights
        }

    def clipped(self, key: str, scale: float) -> int:
        """How many weights of a synapse lie beyond its grid."""
        grid, whole = self.grids[key], self._whole(key, scale)
        return int(((whole < grid.low) | (whole > grid.high)).sum())

    def _whole(self, key: str, scale: float) -> ir.Array:
        step, factor = self.grids[key].step, scale * 2.0 ** -self.exponent(key, scale)
        whole: ir.Array = np.rint(self.weights[key] * factor / step) * step
        return whole

    def nodes(self, scale: float) -> dict[str, ir.Node]:
        """The integer nodes by name."""
        nodes: dict[str, ir.Node] = {}
        for key, synapse in self.synapses.items():
            if isinstance(synapse, ir.Conv2d):
                nodes[key] = ir.FixedConv2d(
                    weight=self.integers(key, scale),
                    stride=synapse.stride,
                    padding=synapse.padding,
                    dilation=synapse.dilation,
                    groups=synapse.groups,
                )
            else:
                nodes[key] = ir.FixedDense(
                    weight=self.integers(key, scale),
                    weight_exp=self.exponent(key, scale),
                    weight_bits=self.limits.weight_bits,
                    sign_mode=self.grids[key].mode,
                    message_bits=_message_bits(*self.payload[key]),
                )
        nodes[self.name] = self.neuron(scale)
        return nodes

    def neuron(self, scale: float) -> ir.FixedLIF | ir.FixedLI:
        """The neurons in integers."""
        mantissa, exponent = self.bias_integers(scale)
        # The law has decays in units of 1/4096; a coarser target uses some of these only.
        unit = max(DECAY_ONE // self.limits.decay_one, 1)
        shared: dict[str, Any] = {
            "dv": _whole(self.limits.decay_one * (1 - self.node.beta)) * unit,
            "bias_mant": mantissa,
            "bias_exp": np.array(exponent, dtype=np.int32),
        }
        if isinstance(self.node, ir.LI):
            return ir.FixedLI(**shared)
        alpha = self.node.alpha
        kept = np.zeros(()) if alpha is None else _whole(self.limits.decay_one * alpha) * unit
        vth = _whole(self.node.threshold * scale)
        return ir.FixedLIF(
            **shared,
            du=_whole(DECAY_ONE - 1 - kept).clip(-1, DECAY_ONE - 1),
            # On whole units, at a threshold or above is above the unit before; see `nonsense`.
            vth=(vth - 1).clip(min=0) if self.closed else vth,
        )

    def bias_integers(self, scale: float) -> tuple[ir.Array, int]:
        """Mantissas and the exponent of the biases."""
        wanted = self.bias * scale * STATE_ONE
        exponent = STATE_SHIFT if self.closed and self.bias.any() else 0
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


def grid_of(weight: ir.Array, bits: int) -> Grid:
    """The grid of a weight by the signs in it."""
    if weight.min() >= 0:
        step = 1 << (8 - bits)
        return Grid(0, 256 - step, step, "exc")
    if weight.max() <= 0:
        step = 1 << (8 - bits)
        return Grid(step - 256, 256 - step, step, "inh")
    step = 1 << (9 - bits)
    return Grid(-256, 256 - step, step, "mixed")


def _message_bits(low: int, high: int) -> int:
    """Bits of a payload; 0 for spikes, which are 0 or 1."""
    if low == 0 and high == 1:
        return 0
    return max(high, -low).bit_length() + (low < 0)


def _whole(value: ir.Array) -> ir.Array:
    return np.rint(value).astype(np.int32)
