"""The neuron group of a record → parameters of a population."""

from dataclasses import dataclass

import numpy as np

from neurorobust.formats.netx.document import Record
from neurorobust.formats.netx.reading.values import own_layout, required, whole
from neurorobust.formats.netx.refusals import Refused
from neurorobust.ir import Array, Shape
from neurorobust.ir.fixed import DECAY_ONE, STATE_SHIFT

CUBA = ("LOIHI", "CUBA")
SILENT = 1 << 17
"""Threshold mantissa from which on no membrane of 24 bits can pass the threshold."""
_ACCUMULATOR = {"iDecay": 0, "vDecay": DECAY_ONE, "vThMant": SILENT}
"""What netx takes for a dense layer without a neuron group."""


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """A population of LIF neurons, in our layout.

    Attributes:
        shape: (C, H, W) or (n,).
        du, dv, vth: As Lava takes them.
        bias_mant: Mantissa, with the exponent 6, wrapped to 16 bits as Lava wraps it.
    """

    shape: Shape
    du: Array
    dv: Array
    vth: Array
    bias_mant: Array

    @property
    def silent(self) -> bool:
        """Whether no neuron can ever fire; the membrane is the output then."""
        return bool((self.vth >= SILENT).all())


def population(record: Record, shape: Shape, bias: Array | None) -> Population:
    """The population of a layer.

    Args:
        record: The layer.
        shape: Of the population, (C, H, W) or (n,).
        bias: Mantissa in our layout, before it is wrapped; None without one.

    Raises:
        Refused: if the neurons are of another kind, or their numbers have no place in a Program.
    """
    if record.neuron is None:
        found = {name: np.array(value) for name, value in _ACCUMULATOR.items()}
    else:
        _known_kind(record)
        found = {name: _parameter(record, name, shape) for name in _ACCUMULATOR}
    wrapped = np.zeros((), np.int64) if bias is None else bias.astype(np.int16).astype(np.int64)
    made = Population(shape, found["iDecay"] - 1, found["vDecay"], found["vThMant"], wrapped)
    if (made.vth >= SILENT).any() and not made.silent:
        what = f"vThMant spans {made.vth.min()}..{made.vth.max()}: some neurons can never fire"
        raise Refused(
            "range", record.index, what, f"keep all below {SILENT}, or all at it or above"
        )
    return made


def _known_kind(record: Record) -> None:
    kind = record.neuron_type
    if record.neuron is not None and "messageBits" in record.neuron:
        what = "the neuron group has messageBits, with which netx raises TypeError"
        raise Refused("message-bits", record.index, what, "remove the dataset")
    if kind in CUBA:
        return
    if kind == "SDNN":
        what = "has sigma-delta neurons, which send graded changes"
        raise Refused("other-dynamics", record.index, what, "train with CUBA neurons")
    if "RF" in kind:
        what = f"has resonate-and-fire neurons ({kind}), which have complex states"
        raise Refused("other-dynamics", record.index, what, "train with CUBA neurons")
    what = f"neurons are of type {kind!r}, with which netx raises AttributeError"
    raise Refused("neuron-kind", record.index, what, "train with CUBA neurons")


def _parameter(record: Record, name: str, shape: Shape) -> Array:
    """A decay or threshold, checked against what Lava would make of it."""
    value = required(record, name, neuron=True)
    if value.dtype.kind not in "iu" or value.dtype == np.uint64:
        what = f"neuron/{name} has dtype {value.dtype}; the Lava process fails and the run hangs"
        raise Refused("neuron-dtype", record.index, what, "store it as int64")
    netx_shape = shape[::-1] if len(shape) == 3 else shape
    try:
        fits = np.broadcast_shapes(value.shape, netx_shape) == netx_shape
    except ValueError:
        fits = False
    if not fits and value.size > 1:
        what = f"neuron/{name} has shape {value.shape}, the population {netx_shape} (W, H, C)"
        raise Refused("neuron-shape", record.index, what, "store one value, or one per channel")
    high = {"iDecay": DECAY_ONE, "vDecay": DECAY_ONE, "vThMant": 1 << 24}[name]
    if value.min() < 0 or value.max() > high:
        what = f"neuron/{name} spans {value.min()}..{value.max()}"
        raise Refused("range", record.index, what, f"keep it within 0..{high}")
    shifted = int(value.max()) << STATE_SHIFT
    wraps = name == "vThMant" and shifted > np.iinfo(value.dtype).max
    wraps |= name == "iDecay" and value.dtype.kind == "u" and not value.all()
    if value.ndim and wraps:
        what = f"neuron/{name} = {value.max()} is stored as {value.dtype}, in which Lava overflows"
        raise Refused("neuron-dtype", record.index, what, "store it as int64")
    return own_layout(value.astype(np.int64), len(shape))


def layer_bias(record: Record, shape: Shape) -> Array | None:
    """The bias mantissas of a layer in our layout, or None without a bias.

    One value per channel, or for a convolution all values as (W, H, C).
    """
    if "bias" not in record.values:
        return None
    value = whole(record, "bias")
    if len(shape) == 1:
        if value.ndim <= 1 and value.size in (1, shape[0]):
            return own_layout(value, 1)
        allowed = f"{shape} or one value"
    else:
        if value.shape in (shape[:1], shape[::-1]):
            return own_layout(value, 3)
        allowed = f"{shape[:1]} or, as (W, H, C), {shape[::-1]}"
    what = f"bias has shape {value.shape}; netx takes {allowed}"
    raise Refused("bias-shape", record.index, what, "store it so")
