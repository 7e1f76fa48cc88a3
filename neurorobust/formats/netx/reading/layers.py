"""The records of a file, in the order in which netx connects them."""

from dataclasses import dataclass

import numpy as np

from neurorobust.errors import Refusal
from neurorobust.formats.netx.call import NetxCall
from neurorobust.formats.netx.document import Document, Record
from neurorobust.formats.netx.reading.neurons import Population, population
from neurorobust.formats.netx.reading.synapses import Conv, Dense, conv, dense
from neurorobust.formats.netx.reading.values import layer_shape, whole
from neurorobust.formats.netx.refusals import Refused
from neurorobust.formats.reading import give
from neurorobust.ir import Array, Shape

_NOT_IN_NETX = {
    "pool": "write it as a convolution with one group per channel",
    "convT": "train without it",
    "unpool": "train without it",
    "average": "leave it out with {num_layers}, and average the spikes of the layer before it",
    "concat": "train without it",
    "dense_comp": "train with CUBA neurons",
}


@dataclass(frozen=True, slots=True, eq=False)
class InputBlock:
    """A first layer of neurons that take the input as bias: ``bias_mant = x weight + bias``."""

    index: int
    population: Population
    weight: int
    bias: int


Layer = InputBlock | Dense | Conv


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The layers that take part, and the refusals found on the way.

    Attributes:
        layers: Layers after those that are skipped, in order.
        input_shape: Shape of what the first layer takes, None where a refusal hides it.
        refusals: Why the file cannot be run, or not be taken over; empty if it can.
    """

    layers: tuple[Layer, ...]
    input_shape: Shape | None
    refusals: tuple[Refusal, ...]


def interpret(document: Document, call: NetxCall) -> Plan:
    """Read the records as ``netx.hdf5.Network`` does."""
    walk = _Walk(call)
    for record in document.records[: call.num_layers]:
        try:
            walk.take(record)
        except Refused as refused:
            walk.refuse(record, refused.refusal)
    wanted, there = call.num_layers, len(document.records)
    if wanted is not None and wanted > there:
        what = f"{give('num_layers')} is {wanted}, the file has {there} layer(s)"
        walk.refusals.append(Refusal(None, "num-layers", what, f"give at most {there}"))
    if not walk.layers and not walk.refusals:
        fewer = f"fewer {give('skip_layers')}"
        what, way_out = "no layer is left", f"give more {give('num_layers')} or {fewer}"
        walk.refusals.append(Refusal(None, "no-layers", what, way_out))
    return Plan(tuple(walk.layers), walk.input_shape, tuple(walk.refusals))


class _Walk:
    def __init__(self, call: NetxCall) -> None:
        self._call = call
        self._shape: Shape | None = call.input_shape
        self._flatten = False
        self._broken = False
        self.input_shape: Shape | None = None
        self.layers: list[Layer] = []
        self.refusals: list[Refusal] = []

    def refuse(self, record: Record, refusal: Refusal) -> None:
        """Keep a refusal; what follows is checked as far as shapes are known."""
        self.refusals.append(refusal)
        self._broken = True
        self._shape = None

    def take(self, record: Record) -> None:
        """Add the layer of a record."""
        match record.type:
            case "input":
                self._input(record)
            case "flatten":
                self._flatten = True
            case "dense" | "dense_rec":
                self._dense(record)
            case "conv":
                self._conv(record)
            case kind if kind in _NOT_IN_NETX:
                what = f"is of type '{kind}', which netx does not build"
                way_out = _NOT_IN_NETX[kind].format(num_layers=give("num_layers"))
                raise Refused("unsupported-layer", record.index, what, way_out)
            case kind:
                first = not self.layers and not self._broken
                what = f"is of type {kind!r}, which netx " + (
                    "cannot start with" if first else "skips without a word"
                )
                raise Refused("skipped-layer", record.index, what, "use layers that netx knows")

    def _input(self, record: Record) -> None:
        if self.layers or self._broken:
            what, way_out = "is an input after other layers", "put the input first"
            raise Refused("late-input", record.index, what, way_out)
        shape = layer_shape(record)
        if record.neuron is None:
            self._shape = shape
            return
        if len(shape) not in (1, 3):
            what = f"an input population has shape {shape}"
            raise Refused("geometry", record.index, what, "store (C, H, W) or (n,)")
        weight, bias = (
            _single(record, name, default) for name, default in (("weight", 64), ("bias", 0))
        )
        made = population(record, shape, np.array(bias))
        if weight < 1:
            what = f"the input is multiplied by {weight}"
            raise Refused("input-transform", record.index, what, "use a factor of at least 1")
        if abs(bias) >= 1 << 15:
            what = f"the bias {bias} of the input does not fit 16 bits"
            raise Refused("input-transform", record.index, what, "use a smaller bias")
        self._append(record, InputBlock(record.index, made, weight, bias), shape)

    def _dense(self, record: Record) -> None:
        layer = dense(record, flatten=self._flatten and bool(self.layers))
        taken = layer.feed.weight.shape[1:]
        before = self.layers[-1].population.shape if self.layers and self._shape else None
        flatten, self._flatten = self._flatten, False
        if before is not None:
            if len(before) == 3 and not flatten:
                what = f"a dense layer follows a layer of shape {before} without a flatten"
                raise Refused("missing-flatten", record.index, what, "put a flatten between them")
            if len(before) == 1 and flatten:
                what = f"a flatten follows a layer of shape {before}, with which netx raises"
                raise Refused("needless-flatten", record.index, what, "remove it")
            if int(np.prod(before)) != taken[0]:
                what = f"takes {taken[0]} inputs, the layer before it has {before}"
                raise Refused("weight-shape", record.index, what, "make them equal")
        self._append(record, layer, taken)

    def _conv(self, record: Record) -> None:
        if self._shape is None and not self._broken:
            what = "a convolution, and the file does not say the shape of its input"
            way_out = f"give {give('input_shape', (1, 28, 28))}"
            raise Refused("input-shape", record.index, what, way_out)
        layer = conv(record, self._shape)
        self._append(record, layer, self._shape)

    def _append(self, record: Record, layer: Layer, taken: Shape | None) -> None:
        if record.index >= self._call.skip_layers:
            last = self.layers[-1] if self.layers else None
            if last is not None and last.population.silent:
                what = f"layer {last.index} can never fire, so nothing reaches it"
                raise Refused("silent-layer", record.index, what, "lower its vThMant")
            if not self.layers:
                self.input_shape = taken
            self.layers.append(layer)
        self._shape = layer.population.shape


def _single(record: Record, name: str, default: int) -> int:
    if name not in record.values:
        return default
    value: Array = whole(record, name)
    if value.size != 1:
        what = f"{name} has shape {value.shape}, with which netx raises TypeError"
        raise Refused("input-transform", record.index, what, "store one number")
    return int(value.ravel()[0])
