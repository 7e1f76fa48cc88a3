"""Pass: a float Graph → a Program in Loihi's integers.

One scale ``S`` per population turns membrane units into integers: weights become ``S W`` on the
weight grid, thresholds ``S theta``, biases ``64 S b`` (states carry six more bits). ``S`` is the
largest that keeps

1. every weight within its bits,
2. every threshold within its mantissa,
3. every bias within mantissa and exponent,
4. the synaptic current from wrapping, whatever the input (a bound over the weights' signs),
5. the membrane of a readout from saturating within T steps, whatever the input.

It is then lowered so that a uniform threshold becomes an exact integer, and further while rounding
up leaves 4 or 5 broken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurorobust.errors import LowerError
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
    Flatten,
    Graph,
    Header,
    Input,
    Node,
    Output,
    Program,
)
from neurorobust.ir.fixed import DECAY_ONE, STATE_LIMIT, STATE_SHIFT, SignMode
from neurorobust.profiles.schema import LoihiArithmetic, whole

STATE_ONE = 1 << STATE_SHIFT
SENSOR_LEVELS = 256
"""Grid assumed for a continuous input: a graded message of eight bits."""


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
        return cls(
            weight_bits=whole(arithmetic.weight_bits, "weight_bits"),
            threshold_max=(1 << whole(arithmetic.threshold_bits, "threshold_bits")) - 1,
            bias_mantissa_max=(
                1 << (whole(arithmetic.bias_mantissa_bits, "bias_mantissa_bits") - 1)
            )
            - 1,
            bias_exponent_max=whole(arithmetic.bias_exponent_max, "bias_exponent_max"),
            decay_one=1 << whole(arithmetic.decay_bits, "decay_bits"),
            delay_max=whole(arithmetic.delay_max, "delay_max"),
        )


def to_fixed(graph: Graph, limits: Limits, *, profile: str) -> Program:
    """Lower a Graph whose batch norms, preprocessing and gains are folded.

    Args:
        graph: The network; LIF neurons reset hard to 0 in the same step and compare with ``>``,
            gains are 1 and biases belong to the neurons.
        limits: Widths of the target.
        profile: Name recorded in the Program.

    Raises:
        LowerError: listing everything that has no exact integer form.
    """
    if refusals := list(_refusals(graph, limits)):
        listed = "\n".join(f"  - {refusal}" for refusal in refusals)
        msg = (
            f"this network has no exact form in {profile}'s arithmetic:\n{listed}\n"
            "Change the network as named and train it again, or stay on the rung 'float'."
        )
        raise LowerError(msg)
    source = _input(graph)
    nodes: dict[str, Node] = {}
    report: list[dict[str, Any]] = []
    unit = 1.0
    for name in graph.order:
        node = graph.nodes[name]
        if isinstance(node, LIF | LI):
            population = _Population(graph, name, source, limits)
            nodes |= population.lowered()
            report.append(population.report())
            if isinstance(node, LI):
                unit = 1 / (population.scale * STATE_ONE)
        elif isinstance(node, Flatten | Output):
            nodes[name] = node
    nodes[graph.input] = source
    return Program(
        header=graph.header,
        nodes={name: nodes[name] for name in graph.nodes},
        edges=graph.edges,
        profile=profile,
        source_hash=graph.content_hash,
        score_unit=unit,
        report=report,
    )


def _input(graph: Graph) -> FixedInput:
    header, shape = graph.header, graph.shapes[graph.input]
    if header.coding == "bernoulli":
        return FixedInput(shape=shape, scale=1.0, high=1)
    top = (header.levels or SENSOR_LEVELS) - 1
    return FixedInput(shape=shape, scale=top / header.bounds[1], high=top)


def _refusals(graph: Graph, limits: Limits) -> "list[str]":
    found = _header_refusals(graph.header)
    for name, node in graph.nodes.items():
        match node:
            case LIF():
                found += [f"{name}: {why}" for why in _lif_refusals(node)]
                found += _wiring_refusals(graph, name)
            case LI():
                found += _wiring_refusals(graph, name)
                if node.v_init.any():
                    found.append(f"{name}: starts from a state other than 0; set v_init to 0")
                readers = {edge.target for edge in graph.outgoing(name)}
                if readers != {graph.output}:
                    found.append(f"{name}: feeds {sorted(readers)}; only an Output takes membranes")
            case Affine() | Conv2d():
                found += [f"{name}: {why}" for why in _synapse_refusals(graph, name, node)]
            case Output():
                feeding = [graph.nodes[edge.source] for edge in graph.incoming(name)]
                if not all(isinstance(n, LIF | LI) for n in feeding) or len(feeding) != 1:
                    found.append(
                        f"{name}: is fed by {[n.kind for n in feeding]}; needs one LIF or LI"
                    )
            case Input() | Flatten():
                pass
            case _:
                found.append(f"{name}: {node.kind} has no integer form here; {_instead(node)}")
    found += [
        f"edge {e.source} -> {e.target}: delay {e.delay} exceeds {limits.delay_max} steps"
        for e in graph.edges
        if e.delay > limits.delay_max
    ]
    return found


_INSTEAD = {
    "BatchNorm": "put it right behind an Affine or Conv that feeds nothing else, and it is folded",
    "Pool2d": "use a Conv2d with a stride",
    "Conv1d": "write it as a Conv2d of height 1",
}


def _instead(node: Node) -> str:
    return _INSTEAD.get(node.kind, "leave it out")


def _synapse_refusals(graph: Graph, name: str, node: Affine | Conv2d) -> list[str]:
    found = []
    readers = {edge.target for edge in graph.outgoing(name)}
    if len(readers) != 1:
        found.append(f"feeds {sorted(readers)}; one population per synapse")
    sources = _sources(graph, name)
    if len(sources) != 1:
        found.append(f"reads the sum of {sorted(sources)}; give each its own synapse")
    elif not isinstance(graph.nodes[sources[0]], Input | LIF | LI):
        found.append(f"reads {graph.nodes[sources[0]].kind} {sources[0]!r}; put a LIF between")
    if node.bias is not None:
        found.append("has a bias; run fold_gains first, it belongs to the neurons")
    return found


def _sources(graph: Graph, name: str) -> list[str]:
    """Where the edges to a node come from, seen through Flatten."""
    found = []
    for edge in graph.incoming(name):
        through = isinstance(graph.nodes[edge.source], Flatten)
        found += _sources(graph, edge.source) if through else [edge.source]
    return found


def _header_refusals(header: Header) -> list[str]:
    if header.bounds[0] != 0:
        return [f"header: input starts at {header.bounds[0]:g}; shift it to start at 0"]
    return []


def _lif_refusals(node: LIF) -> list[str]:
    rules = {
        f"compares with {node.compare!r}, the chip with '>'": node.compare != ">",
        f"resets {node.reset} in the {node.reset_timing} step, the chip hard in the same": (
            (node.reset, node.reset_timing) != ("hard", "same")
        ),
        "resets to a value other than 0": bool((node.reset_to != 0).any()) and node.reset == "hard",
        "starts from a state other than 0": bool(node.v_init.any() or node.i_init.any()),
        "has a lower bound of the membrane": node.v_min is not None,
        f"emits up to {node.max_spikes} spikes per step": node.max_spikes > 1,
        f"rests {node.refractory} steps after a spike": node.refractory > 0,
        "has a threshold below 0": bool((node.threshold < 0).any()),
    }
    return [why for why, broken in rules.items() if broken]


def _wiring_refusals(graph: Graph, name: str) -> list[str]:
    found = []
    node = graph.nodes[name]
    if any((getattr(node, gain) != 1).any() for gain in _gains(node)):
        found.append(f"{name}: has a gain other than 1; run fold_gains first")
    for edge in graph.incoming(name):
        source = graph.nodes[edge.source]
        if not isinstance(source, Affine | Conv2d):
            found.append(f"{name}: is fed by {source.kind} {edge.source!r}; needs Affine or Conv2d")
    return found


class _Population:
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
            graded = isinstance(graph.nodes[_sources(graph, edge.source)[0]], Input)
            self.synapses[edge.source] = synapse
            self.weights[edge.source] = synapse.weight * (1 / source.scale if graded else 1.0)
            self.payload[edge.source] = source.high if graded else 1
        self.scale, self.limited_by = self._choose_scale()
        while (share := max(use := self._use(), key=use.__getitem__)) and use[share] > 1:
            self.scale = self._aligned(self.scale * min(1 / use[share], 0.99))
            self.limited_by = share

    def _choose_scale(self) -> tuple[float, str]:
        bounds = {
            "weight bits": min(
                self._weight_range(w)[1] / m if (m := np.abs(w).max()) else np.inf
                for w in self.weights.values()
            ),
            "synaptic current": (STATE_LIMIT // STATE_ONE - 1) / self._current_bound(),
            "bias": self._bias_bound(),
        }
        if isinstance(self.node, LIF):
            bounds["threshold"] = self.limits.threshold_max / max(self.node.threshold.max(), 1e-300)
        else:
            bounds["readout range"] = self._readout_bound()
        limited_by = min(bounds, key=lambda key: bounds[key])
        scale = bounds[limited_by]
        if not np.isfinite(scale):
            scale, limited_by = 1.0, "no weights"
        return self._aligned(scale), limited_by

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

    def _current_bound(self) -> float:
        """Largest |synaptic current| per unit of scale over all inputs, by the weights' signs."""
        peak = max(self._peak(self.weights), 1e-300)
        alpha = getattr(self.node, "alpha", None)
        if alpha is None:
            return peak
        held = min(float(1 / max(1 - alpha.max(), 1e-300)), float(self.steps))
        return peak * held

    def _bias_bound(self) -> float:
        largest = float(np.abs(self.bias).max()) * STATE_ONE
        room = self.limits.bias_mantissa_max << self.limits.bias_exponent_max
        return room / largest if largest else np.inf

    def _readout_bound(self) -> float:
        held = self._held(float(self.node.beta.max()))
        per_step = self._current_bound() + float(np.abs(self.bias).max())
        # Rounding weights to their grid can add half a step per synapse; 2 % is mostly enough.
        return 0.98 * (STATE_LIMIT - 1) / (STATE_ONE * held * per_step)

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
        shared = {
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
                np.abs(threshold / self.scale / np.maximum(self.node.threshold, 1e-300) - 1).max()
            )
        return row


def _gains(node: Node) -> tuple[str, ...]:
    return ("gain_in", "gain_syn") if isinstance(node, LIF) else ("gain_in",)


def _row_sum(weight: Array) -> Array:
    total: Array = weight.reshape(len(weight), -1).sum(1)
    return total


def _whole(value: Array) -> Array:
    return np.rint(value).astype(np.int32)
