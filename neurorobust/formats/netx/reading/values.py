"""Arrays of a record as netx casts them."""

from math import prod

import numpy as np

from neurorobust.formats.netx.document import Record
from neurorobust.formats.netx.refusals import Refused
from neurorobust.ir import Array, Shape

INT32 = np.iinfo(np.int32)
NEURONS_MAX = 1 << 24
"""Most neurons of a layer."""


def required(record: Record, name: str, *, neuron: bool = False) -> Array:
    """A dataset without which netx cannot build the layer."""
    values = record.neuron if neuron else record.values
    if values is None or name not in values:
        place = f"neuron/{name}" if neuron else name
        what = f"has no dataset '{place}', with which netx raises KeyError"
        raise Refused("missing-dataset", record.index, what, "write it")
    return values[name]


def whole(record: Record, name: str) -> Array:
    """A dataset cut to integers, towards zero, as netx does with weights and biases."""
    value = np.trunc(required(record, name))
    if value.min() < INT32.min or value.max() > INT32.max:
        what = f"{name} spans {value.min():g}..{value.max():g}, beyond 32 bits"
        raise Refused("range", record.index, what, "write the integers of the chip")
    return value.astype(np.int64)


def sizes(record: Record, name: str) -> tuple[int, ...]:
    """A dataset of whole numbers, as a tuple of at most six."""
    value = required(record, name)
    if value.dtype.kind not in "iu" or value.ndim > 1 or value.size > 6:
        what = f"{name} has dtype {value.dtype} and shape {value.shape}"
        raise Refused("geometry", record.index, what, "write one or a few integers")
    return tuple(int(n) for n in value.ravel())


def layer_shape(record: Record) -> Shape:
    """The dataset 'shape', every axis at least 1."""
    shape = sizes(record, "shape")
    if min(shape) < 1 or prod(shape) > NEURONS_MAX:
        what = f"shape is {shape}"
        raise Refused("geometry", record.index, what, f"write 1 to {NEURONS_MAX} neurons")
    return shape


def own_layout(value: Array, axes: int) -> Array:
    """From netx's axes, (W, H, C) or (n,), to ours, (C, H, W); one value becomes a scalar."""
    if value.size == 1:
        return value.reshape(())
    if axes == 1:
        return value
    return value.reshape((1,) * (axes - value.ndim) + value.shape).transpose(2, 1, 0)
