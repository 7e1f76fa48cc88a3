"""The network in a chip's integers: Program and its nodes, in the arithmetic of Loihi.

The law is that of Lava 0.10.0 with ``select_tag="fixed_pt"``; every number is a two's-complement
integer, ``trunc0`` rounds towards zero, ``w32`` wraps to 32 and ``w24`` to 24 bits. Latency is
taken out: a synapse acts in the step of its spikes (on Lava one step later per hop), so that a
Program and its Graph run in the same time.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np

from neurorobust.ir.base import Arithmetic, Array, Node, Shape, ShapeError, array
from neurorobust.ir.edges import chain_edges
from neurorobust.ir.header import Header
from neurorobust.ir.linear import Conv2d
from neurorobust.ir.model import Graph, Model
from neurorobust.ir.ports import Input
from neurorobust.names import known_are

SignMode = Literal["mixed", "exc", "inh"]
Storage = Literal["dense", "sparse"]

DECAY_ONE = 4096
"""Decays are twelve-bit fractions of this."""
STATE_SHIFT = 6
"""Synaptic sums and thresholds are shifted left by this many bits into the membrane's units."""
STATE_ONE = 1 << STATE_SHIFT
"""One unit of a synaptic sum or threshold, in the membrane's units."""
STATE_LIMIT = 1 << 23
"""States have 24 bits: the current wraps beyond this magnitude, the membrane saturates below it."""
DELAY_MAX = 62
"""Longest delay of a synapse, in steps."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FixedInput(Input):
    """Integers from input values: ``q = clip(round((x - offset) scale), low, high)``, half to even.

    Attributes:
        offset: Input value of q = 0.
        scale: Integer steps per unit of input.
        low: Smallest integer.
        high: Largest integer.
    """

    arithmetic: ClassVar[Arithmetic | None] = "integer"

    offset: float = 0.0
    scale: float
    low: int = 0
    high: int

    def faults(self) -> Iterable[str]:
        """Faults of shape and range."""
        yield from super(FixedInput, self).faults()
        if not (self.scale > 0 and math.isfinite(self.scale)):
            yield f"scale is {self.scale}; it must be finite and above 0"
        if not math.isfinite(self.offset):
            yield f"offset is {self.offset}; it must be finite"
        if not -(1 << 23) <= self.low < self.high < 1 << 23:
            yield f"range {self.low}..{self.high} is empty or wider than 24 bits"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FixedDense(Node):
    """``y = w32(sum_j W[:, j] x[j] 2^weight_exp)``, with 32-bit sums.

    A negative exponent shifts the wrapped *sum* right and floors; weights are not shifted singly.

    Attributes:
        weight: Shape (out, in), integers. What acts is ``effective_weight``.
        weight_exp: Exponent shared by all weights, -8..7.
        weight_bits: Bits of a weight, 1..8.
        sign_mode: ``mixed`` (loses the lowest bit: even steps), ``exc`` (0..255) or ``inh``.
        message_bits: 0 takes any non-zero input as one spike; above 0 inputs are integer payloads.
        storage: How the target keeps the matrix, ``dense`` or ``sparse``; the sums are the same.
    """

    arithmetic: ClassVar[Arithmetic | None] = "integer"

    weight: Array = array()
    weight_exp: int = 0
    weight_bits: int = 8
    sign_mode: SignMode = "mixed"
    message_bits: int = 0
    storage: Storage = "dense"

    @property
    def effective_weight(self) -> Array:
        """The weights after clipping to the sign mode and dropping the bits that are not stored."""
        sign = -1 if self.sign_mode == "inh" else 1
        mixed = self.sign_mode == "mixed"
        dropped = 8 - self.weight_bits + mixed
        magnitude = np.clip(sign * self.weight.astype(np.int64), -256 if mixed else 0, 255)
        return sign * ((magnitude >> dropped) << dropped)

    def output_shape(self, input_shape: Shape) -> Shape:
        """``(in,) -> (out,)``."""
        if input_shape != self.weight.shape[1:]:
            msg = f"weight {self.weight.shape} takes {self.weight.shape[1:]}, got {input_shape}"
            raise ShapeError(msg)
        return self.weight.shape[:1]

    def faults(self) -> Iterable[str]:
        """Faults of ranges."""
        yield from _integer_faults("weight", self.weight, -(1 << 31), (1 << 31) - 1)
        if self.weight.ndim != 2:
            yield f"weight has shape {self.weight.shape}; a FixedDense takes (out, in)"
        if self.sign_mode not in get_args(SignMode):
            known = known_are(self.sign_mode, get_args(SignMode))
            yield f"sign_mode is {self.sign_mode!r}; {known}"
        yield from _range_fault("weight_bits", self.weight_bits, 1, 8)
        yield from _range_fault("weight_exp", self.weight_exp, -8, 7)
        yield from _range_fault("message_bits", self.message_bits, 0, 24)
        if self.storage not in get_args(Storage):
            yield f"storage is {self.storage!r}; {known_are(self.storage, get_args(Storage))}"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FixedDelayDense(FixedDense):
    """A FixedDense whose synapses each wait.

    With ``D_k`` the synapses of delay k::

        y[t] = w32(sum_k w32(sum_{j in D_k} W[:, j] x[j][t - k] 2^weight_exp))

    A negative exponent floors the sum of every delay by itself.

    Attributes:
        delay: Steps that each synapse waits, shape (out, in), 0..62.
    """

    stateful: ClassVar[bool] = True

    delay: Array = array()

    def faults(self) -> Iterable[str]:
        """Faults of ranges."""
        yield from super(FixedDelayDense, self).faults()
        yield from _integer_faults("delay", self.delay, 0, DELAY_MAX)
        if self.delay.shape != self.weight.shape:
            yield f"delay has shape {self.delay.shape}, weight {self.weight.shape}; make them equal"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FixedConv2d(Conv2d):
    """``y = w24(int32(conv(x, W)))`` with integer payloads; weights act as they are.

    Layout and geometry are those of ``Conv2d``; there is no bias (it belongs to the neuron). The
    law holds for sums below 2^31; Lava computes them in floats and does not define larger ones.
    """

    arithmetic: ClassVar[Arithmetic | None] = "integer"

    def faults(self) -> Iterable[str]:
        """Faults of geometry and ranges."""
        yield from super(FixedConv2d, self).faults()
        yield from _integer_faults("weight", self.weight, -(1 << 31), (1 << 31) - 1)
        if self.bias is not None:
            yield "bias is set; give it to the neuron that follows as bias_mant and bias_exp"
        sizes = (*self.stride, *self.padding, *self.dilation, self.groups)
        if max(sizes) > 127:
            yield f"stride, padding, dilation or groups reach {max(sizes)}; they are 8-bit (127)"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FixedNeuron(Node):
    """The integer CuBa neuron; what all neurons of a Program have in common.

    With ``a`` the synaptic sum and ``B = w32(bias_mant 2^bias_exp)`` (a negative exponent floors)::

        x = w32(trunc0(u (4095 - du) / 4096) + w32(64 a))
        u = x wrapped once by 2^24 into (-2^23, 2^23]
        v = clip(w32(trunc0(v (4096 - dv) / 4096) + u + B), -(2^23 - 1), 2^23 - 1)

    With a ``reset_interval`` R, ``u`` and ``v`` are set to 0 before every step t (counted from 0)
    with ``t % R == reset_offset``.

    Attributes:
        du: Current decay, -1..4095 (4095 keeps no current).
        dv: Membrane decay, 0..4096 (0 is IF).
        bias_mant: Mantissa of the bias, int16.
        bias_exp: Exponent of the bias, -8..7.
        reset_interval: Steps between two resets of the state; 0 for none.
        reset_offset: First step that starts from rest, below ``reset_interval``.
    """

    arithmetic: ClassVar[Arithmetic | None] = "integer"
    stateful: ClassVar[bool] = True
    population: ClassVar[bool] = True

    du: Array = array(4095)
    dv: Array = array(0)
    bias_mant: Array = array(0)
    bias_exp: Array = array(0)
    reset_interval: int = 0
    reset_offset: int = 0

    def faults(self) -> Iterable[str]:
        """Faults of ranges."""
        yield from _integer_faults("du", self.du, -1, DECAY_ONE - 1)
        yield from _integer_faults("dv", self.dv, 0, DECAY_ONE)
        yield from _integer_faults("bias_mant", self.bias_mant, -(1 << 15), (1 << 15) - 1)
        yield from _integer_faults("bias_exp", self.bias_exp, -8, 7)
        yield from _range_fault("reset_interval", self.reset_interval, 0, (1 << 31) - 1)
        yield from _range_fault(
            "reset_offset", self.reset_offset, 0, max(self.reset_interval - 1, 0)
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FixedLIF(FixedNeuron):
    """Fires where ``v > 64 vth`` and then sets ``v = 0`` (the current is kept).

    Attributes:
        vth: Threshold mantissa, 0..2^17 - 1.
    """

    spiking: ClassVar[bool] = True

    vth: Array = array()

    def faults(self) -> Iterable[str]:
        """Faults of ranges."""
        yield from super(FixedLIF, self).faults()
        yield from _integer_faults("vth", self.vth, 0, (1 << 17) - 1)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FixedTernaryLIF(FixedNeuron):
    """Sends ``s = (v > 64 vth_high) - (v < 64 vth_low)`` and sets ``v = 0`` where s is not 0.

    A synapse without messages takes -1, too, as one spike.

    Attributes:
        vth_high: Upper threshold mantissa, magnitude below 2^17.
        vth_low: Lower threshold mantissa, magnitude below 2^17, not above ``vth_high``.
    """

    spiking: ClassVar[bool] = True

    vth_high: Array = array()
    vth_low: Array = array()

    def faults(self) -> Iterable[str]:
        """Faults of ranges."""
        yield from super(FixedTernaryLIF, self).faults()
        for name, value in (("vth_high", self.vth_high), ("vth_low", self.vth_low)):
            yield from _integer_faults(name, value, 1 - (1 << 17), (1 << 17) - 1)
        if self.vth_low.max() > self.vth_high.min():
            yield (
                f"vth_low reaches {self.vth_low.max()} and vth_high {self.vth_high.min()}; "
                "the lower threshold may not exceed the upper"
            )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FixedLI(FixedNeuron):
    """Integrates without threshold and emits its membrane; the readout of a Program."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Program(Model):
    """A Graph lowered to a chip's integers.

    With a ``host``, the stimulus goes to the host, a Graph, and what arrives there at the Output in
    every step is the Program's own input.

    Attributes:
        host: The part that is computed before the chip, in floats; None for no such part.
        profile: Name of the hardware profile it was lowered for.
        source_hash: Content hash of the Graph it came from.
        score_unit: Scores are the integer readout times this, to compare with the Graph's.
        report: One row per layer: what lowering did to it.
    """

    arithmetic: ClassVar[Arithmetic] = "integer"

    host: Graph | None = field(default=None, metadata={"part": True})
    profile: str = field(default="", metadata={"stored": True})
    source_hash: str = field(default="", metadata={"stored": True})
    score_unit: float = field(default=1.0, metadata={"stored": True})
    report: list[dict[str, Any]] = field(default_factory=list, metadata={"stored": True})

    @property
    def input_shape(self) -> Shape:
        """Shape of one sample at one step, as the host takes it, if there is one."""
        return super().input_shape if self.host is None else self.host.input_shape

    @classmethod
    def chain(cls, header: Header, nodes: Mapping[str, Node], /, **fields: Any) -> Self:
        """A Program in which each node feeds the next."""
        return cls(header=header, nodes=nodes, edges=chain_edges(nodes), **fields)


def _integer_faults(name: str, value: Array, low: int, high: int) -> Iterable[str]:
    if value.dtype.kind not in "iu":
        yield f"{name} has dtype {value.dtype}; a Program holds integers"
    elif value.size and (value.min() < low or value.max() > high):
        yield f"{name} spans {value.min()}..{value.max()}; allowed is {low}..{high}"


def _range_fault(name: str, value: int, low: int, high: int) -> Iterable[str]:
    if not low <= value <= high:
        yield f"{name} is {value}; allowed is {low}..{high}"
