"""Parameters of one NIR node, checked: presence, kind and shape."""

from dataclasses import dataclass

import numpy as np

from neurorobust.formats.nir.document import Entry
from neurorobust.formats.reading import Reading, give, off
from neurorobust.ir import Array, Shape

_NIR_SHAPES = (
    "nir itself declares wrong shapes for grouped convolutions and for kernels that are not "
    "square; if the weights are right, pass"
)


class Fault(Exception):
    """Something in a file that has no exact form; carries the node, the reason and the way out."""

    def __init__(self, node: str, what: str, way_out: str) -> None:
        super().__init__(f"node {node!r}: {what}; {way_out}")


@dataclass(frozen=True, slots=True)
class Parameters:
    """One node on its way into a Graph.

    Attributes:
        name: Dotted name in the file.
        entry: As stored.
        rules: What the caller decided.
        arriving: Shape of the node's input, without batch.
    """

    name: str
    entry: Entry
    rules: Reading
    arriving: Shape

    def array(self, key: str) -> Array:
        """A stored array, as it is."""
        value = self.entry.values.get(key)
        if not isinstance(value, np.ndarray):
            raise self.fault(f"has no number under {key!r}", "write it")
        return value

    def per_neuron(self, key: str) -> Array:
        """A parameter of neurons in double precision: one value if all are equal.

        Raises:
            Fault: if its shape is not that of what arrives. A parameter says how many neurons there
                are; one value for all is taken with ``check_shapes=False`` only.
        """
        stored = self.array(key)
        value, shape = stored.astype(np.float64), stored.shape
        if self.rules.batch_axis == "all" and shape[:1] == (1,):
            shape = shape[1:]
        if shape != self.arriving and (self.rules.check_shapes or value.size != 1):
            scalar = "one value for all neurons: " if value.size == 1 else ""
            what = f"{scalar}{key} has shape {stored.shape}, its input {self.arriving}"
            if self.rules.batch_axis == "none" and shape[1:] == self.arriving:
                raise self.fault(what, f"if that is a batch axis, pass {give('batch_axis', 'all')}")
            way_out = "write one value per neuron"
            if value.size == 1:
                way_out += f", or take it for all with {off('check_shapes')}"
            raise self.fault(what, way_out)
        if not value.size or np.isnan(value).any():
            raise self.fault(f"{key} is empty or has values that are NaN", "repair it")
        if (value == value.ravel()[0]).all():
            return np.asarray(value.ravel()[0])
        return value.reshape(self.arriving)

    def whole(self, key: str, axes: int) -> tuple[int, ...]:
        """Whole numbers, one per axis; a single one counts for all."""
        value = self.array(key)
        if value.dtype.kind not in "iu" or value.size not in (1, axes):
            what = f"{key} has dtype {value.dtype} and shape {value.shape}"
            raise self.fault(what, f"write {axes} integers")
        return tuple(int(n) for n in np.broadcast_to(value.ravel(), (axes,)))

    def declared(self, key: str, shape: Shape, expected: Shape) -> None:
        """Hold a declared shape against the real one."""
        if self.rules.check_shapes and shape != expected:
            way_out = f"{_NIR_SHAPES} {off('check_shapes')}"
            raise self.fault(f"{key} says {shape}, the data flow gives {expected}", way_out)

    def fault(self, what: str, way_out: str) -> Fault:
        """A fault of this node."""
        return Fault(self.name, f"{self.entry.kind}: {what}", way_out)
