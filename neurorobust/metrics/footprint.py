"""Bytes and bits of a network: its parameters, and the state of one sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from neurorobust import ir
from neurorobust.ir.fixed import DELAY_MAX

NEUTRAL: Mapping[str, float] = {
    "gain_in": 1.0,
    "gain_syn": 1.0,
    "bias": 0.0,
    "v_init": 0.0,
    "i_init": 0.0,
}
"""Parameters of neurons that need no memory where they have no effect, with the value of that."""

STATE_BITS = 24
"""Of a membrane, and of a synaptic current, of Loihi's arithmetic."""
FIELD_BITS: Mapping[str, int] = {
    "du": 12,
    "dv": 13,
    "bias_mant": 16,
    "bias_exp": 4,
    "vth": 17,
    "vth_high": 18,
    "vth_low": 18,
}
"""Bits in which the law holds each parameter of a neuron."""
DELAY_BITS = DELAY_MAX.bit_length()


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory of a network.

    Attributes:
        parameters: How many numbers are stored, shared ones once.
        parameter_bits: Bits they take: of a Graph in the types of its arrays, of a Program in the
            widths of the chip's law.
        state_bits: Membranes, currents, last spikes, refractory counters and values under way, of
            one sample: of a Graph in the type of a membrane, of a Program in 24 bits.
    """

    parameters: int
    parameter_bits: int
    state_bits: int

    @property
    def parameter_bytes(self) -> int:
        """Whole bytes that hold the parameters."""
        return -(-self.parameter_bits // 8)

    @property
    def state_bytes(self) -> int:
        """Whole bytes that hold the state."""
        return -(-self.state_bits // 8)


def footprint(model: ir.Model, *, item_bytes: int | None = None) -> Footprint:
    """Memory of a Graph or Program; a Program's host is a Graph of its own and not in it.

    Args:
        model: The network.
        item_bytes: Of every number of a Graph, e.g. 4 for float32; None takes the arrays' types.
    """
    stored = [value for node in model.nodes.values() for value in stored_arrays(node).items()]
    count = sum(value.size for _, value in stored)
    if isinstance(model, ir.Program):
        bits = sum(
            _fixed_bits(node, name, value)
            for node in model.nodes.values()
            for name, value in stored_arrays(node).items()
        )
        return Footprint(count, bits, _fixed_state(model))
    bits = 8 * sum(value.size * (item_bytes or value.dtype.itemsize) for _, value in stored)
    return Footprint(count, bits, _state(model, item_bytes))


def stored_arrays(node: ir.Node) -> dict[str, ir.Array]:
    """Arrays of a node that take part in what it computes."""
    if not isinstance(node, ir.LIF | ir.LI):
        return node.arrays()
    return {
        name: value
        for name, value in node.arrays().items()
        if name not in NEUTRAL or (value != NEUTRAL[name]).any()
    }


def _state(model: ir.Model, item_bytes: int | None) -> int:
    total = 0
    for name, node in model.nodes.items():
        size = prod(model.shapes[name])
        if isinstance(node, ir.LIF | ir.LI):
            total += size * 8 * (item_bytes or node.beta.dtype.itemsize) * (1 + _has_current(node))
        if isinstance(node, ir.LIF):
            spike = node.max_spikes.bit_length()
            total += size * (spike if node.reset_timing == "next" else 0)
            total += size * node.refractory.bit_length()
    for edge in model.edges:
        source = model.nodes[edge.source]
        width = 8 * (item_bytes or 8)
        if isinstance(source, ir.LIF):
            width = source.max_spikes.bit_length()
        total += edge.delay * prod(model.shapes[edge.source]) * width
    return total


def _has_current(node: ir.LIF | ir.LI) -> bool:
    return isinstance(node, ir.LIF) and node.alpha is not None


def _fixed_bits(node: ir.Node, name: str, value: ir.Array) -> int:
    if isinstance(node, ir.FixedDense):
        return value.size * (DELAY_BITS if name == "delay" else node.weight_bits)
    if isinstance(node, ir.Conv2d):
        return value.size * _signed_bits(value)
    return value.size * FIELD_BITS[name]


def _signed_bits(value: ir.Array) -> int:
    """Bits of two's complement that hold every entry."""
    low, high = int(value.min()), int(value.max())
    return 1 + max(high.bit_length() if high > 0 else 0, (-low - 1).bit_length() if low < 0 else 0)


def _fixed_state(program: ir.Program) -> int:
    total = 0
    for name, node in program.nodes.items():
        if isinstance(node, ir.FixedNeuron):
            total += 2 * STATE_BITS * prod(program.shapes[name])
        if isinstance(node, ir.FixedDelayDense):
            total += int(node.delay.max()) * node.weight.shape[1] * max(node.message_bits, 1)
    for edge in program.edges:
        spikes = isinstance(program.nodes[edge.source], ir.FixedLIF | ir.FixedTernaryLIF)
        width = 1 if spikes else STATE_BITS
        total += edge.delay * prod(program.shapes[edge.source]) * width
    return total
