"""The synapses of a record → integer matrices and kernels as Lava uses them."""

from dataclasses import dataclass

import numpy as np

from neurorobust.formats.netx.document import Record
from neurorobust.formats.netx.reading.neurons import Population, layer_bias, population
from neurorobust.formats.netx.reading.values import layer_shape, required, sizes, whole
from neurorobust.formats.netx.refusals import Refused
from neurorobust.formats.netx.weights import INT8_MAX, Acting, acting, acting_recurrent
from neurorobust.ir import Array, FixedConv2d, Shape
from neurorobust.ir.base import ShapeError
from neurorobust.ir.fixed import DELAY_MAX


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """A dense layer.

    Attributes:
        index: Number of the record.
        population: Its neurons.
        feed: Weights as Lava uses them, (out, in).
        recurrent: The same from the layer to itself, (out, out), or None.
        delay: Steps that each synapse waits, (out, in), or None; of a recurrent layer both.
        flatten: Whether the layer before is flattened first, in the order C, H, W.
        changed: Weights that act otherwise than the file says.
    """

    index: int
    population: Population
    feed: Acting
    recurrent: Acting | None
    delay: Array | None
    flatten: bool
    changed: int


@dataclass(frozen=True, slots=True, eq=False)
class Conv:
    """A convolution, and the population that it drives."""

    index: int
    population: Population
    feed: FixedConv2d


def matrices(record: Record, outputs: int) -> tuple[Array, Array | None]:
    """The integer matrices of a dense layer as the file has them: weight and weight_rec."""
    weight = whole(record, "weight")
    flat = weight.ndim == 1 and weight.size % outputs == 0
    if flat:
        weight = weight.reshape(outputs, -1)
    if weight.ndim != 2 or len(weight) != outputs:
        what = f"weight has shape {weight.shape}, the layer {outputs} neurons"
        raise Refused("weight-shape", record.index, what, "store it as (out, in)")
    if record.type != "dense_rec":
        return weight, None
    recurrent = whole(record, "weight_rec")
    if flat and recurrent.ndim == 1 and recurrent.size == outputs**2:
        recurrent = recurrent.reshape(outputs, -1)
    if recurrent.shape != (outputs, outputs):
        what = f"weight_rec has shape {recurrent.shape}, the layer {outputs} neurons"
        raise Refused("weight-shape", record.index, what, "store it as (out, out)")
    return weight, recurrent


def dense(record: Record, *, flatten: bool) -> Dense:
    """A record of type ``dense`` or ``dense_rec``."""
    shape = (int(np.prod(layer_shape(record), dtype=object)),)
    if "weight/imag" in record.values:
        what = "has complex weights"
        raise Refused("other-dynamics", record.index, what, "train with CUBA neurons")
    weight, recurrent = matrices(record, shape[0])
    delay = delays(record, weight.shape)
    _not_all_zero(record, weight, recurrent)
    back = None
    if recurrent is None:
        feed = acting(weight)
        changed = feed.values != weight
    else:
        if delay is not None and delay.shape != recurrent.shape:
            what = f"uses delays of shape {delay.shape} for weight_rec {recurrent.shape}, too"
            raise Refused("recurrent-delay", record.index, what, "remove the delays")
        feed, back = acting_recurrent(weight, recurrent, delayed=delay is not None)
        changed = np.hstack([feed.values != weight, back.values != recurrent])
    if delay is not None and not delay.any():
        delay = None
    made = population(record, shape, layer_bias(record, shape))
    return Dense(record.index, made, feed, back, delay, flatten, int(changed.sum()))


def _not_all_zero(record: Record, weight: Array, recurrent: Array | None) -> None:
    if not weight.any() and (recurrent is None or not recurrent.any()):
        what = "all weights are 0, with which netx raises OverflowError"
        way_out = "remove the layer, or keep one weight that is not 0"
        raise Refused("all-zero-matrix", record.index, what, way_out)


def delays(record: Record, shape: Shape) -> Array | None:
    """Steps per synapse as netx reads them: clipped at 62, one per output, input or synapse."""
    if "delay" not in record.values:
        return None
    value = np.trunc(record.values["delay"]).clip(max=DELAY_MAX).astype(np.int64)
    if value.min() < 0 and record.values["delay"].max() <= DELAY_MAX:
        what = f"delay reaches {value.min()}"
        raise Refused("delay-range", record.index, what, f"keep delays within 0..{DELAY_MAX}")
    value = value.clip(0)
    if value.ndim == 0 or value.shape == shape:
        return np.broadcast_to(value, shape)
    if value.shape == shape[:1]:
        return np.broadcast_to(value[:, None], shape)
    if value.shape == shape[1:]:
        return np.broadcast_to(value[None, :], shape)
    what = f"delay has shape {value.shape}, weight {shape}"
    raise Refused("delay-shape", record.index, what, "store one per output, or one per synapse")


def conv(record: Record, before: Shape | None) -> Conv:
    """A record of type ``conv`` on a layer of this shape, where it is known."""
    shape = layer_shape(record)
    if len(shape) != 3:
        what = f"a convolution has shape {shape}"
        raise Refused("geometry", record.index, what, "store (C, H, W)")
    weight = whole(record, "weight")
    if weight.ndim < 4 or weight.size != int(np.prod(weight.shape[:4], dtype=object)):
        what = f"weight has shape {weight.shape}"
        raise Refused("weight-shape", record.index, what, "store (out, in / groups, height, width)")
    weight = weight.reshape(weight.shape[:4])
    stride, padding, dilation = (_pair(record, name) for name in ("stride", "padding", "dilation"))
    given = required(record, "groups")
    groups = sizes(record, "groups")[0]
    if given.ndim:
        what = f"groups has shape {given.shape}, with which netx raises IndexError"
        raise Refused("geometry", record.index, what, "store a scalar")
    largest = max(*stride, *padding, *dilation, groups, *weight.shape[2:])
    if largest > INT8_MAX:
        effect = "all outputs are 0" if groups == INT8_MAX + 1 else "the run hangs or is wrong"
        what = f"groups, kernel, stride, padding or dilation reach {largest}; in 8 bits {effect}"
        raise Refused("conv-int8", record.index, what, f"keep them at most {INT8_MAX}")
    if min(*stride, *dilation, groups) < 1 or min(padding) < 0:
        what = f"stride {stride}, padding {padding}, dilation {dilation}, groups {groups}"
        raise Refused("geometry", record.index, what, "keep padding at 0 or above, others at 1")
    if record.neuron is None:
        what = "a convolution without a neuron group, with which netx raises KeyError"
        raise Refused("missing-dataset", record.index, what, "write its neuron")
    made = population(record, shape, layer_bias(record, shape))
    feed = FixedConv2d(
        weight=weight.astype(np.int32),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
    if before is not None:
        _fits(record.index, feed, before, shape)
    return Conv(record.index, made, feed)


def _pair(record: Record, name: str) -> tuple[int, int]:
    value = sizes(record, name)
    if required(record, name).ndim == 0:
        return value[0], value[0]
    if len(value) != 2:
        what = f"{name} has {len(value)} entries, with which netx raises IndexError"
        raise Refused("geometry", record.index, what, "store a scalar or (height, width)")
    return value[0], value[1]


def _fits(layer: int, node: FixedConv2d, before: Shape, shape: Shape) -> None:
    """Refuse a convolution that does not turn the shape before it into its own."""
    weight = node.weight
    if len(before) != 3:
        what = f"a convolution follows a layer of shape {before}"
        raise Refused("geometry", layer, what, "put convolutions before dense layers")
    if weight.shape[1] * node.groups != before[0] or weight.shape[0] % node.groups:
        what = f"weight {weight.shape} with {node.groups} group(s) for {before[0]} channels"
        raise Refused("weight-shape", layer, what, "store (out, in / groups, height, width)")
    try:
        given = node.output_shape(before)
    except ShapeError as error:
        raise Refused("geometry", layer, str(error), "use a smaller kernel") from error
    if given != shape:
        what = f"shape is {shape}, the convolution gives {given}"
        raise Refused("geometry", layer, what, "store the shape that it gives")
