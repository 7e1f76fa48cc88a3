"""A file together with how it will be run."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from neurorobust.formats.netx.call import NetxCall
from neurorobust.formats.netx.document import Document, Record
from neurorobust.formats.netx.reading.layers import InputBlock, Plan
from neurorobust.formats.netx.reading.neurons import CUBA
from neurorobust.formats.netx.reading.synapses import matrices
from neurorobust.formats.netx.reading.values import layer_shape
from neurorobust.formats.netx.refusals import Refused
from neurorobust.ir import Array

FIXED = "fixed_pt"
"""The tag under which Lava computes in the chip's integers."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """What rules look at.

    Attributes:
        document: The file.
        call: Arguments of ``netx.hdf5.Network``.
        plan: The layers as far as they can be read.
        select_tag: Tag of the run configuration.
        input_range: Smallest and largest integer that will be sent, or None.
    """

    document: Document
    call: NetxCall
    plan: Plan
    select_tag: str | None
    input_range: tuple[int, int] | None

    @property
    def records(self) -> Iterator[Record]:
        """Records that take part."""
        end = self.call.num_layers
        return iter(self.document.records[self.call.skip_layers : end])

    def cuba(self, name: str) -> Iterator[tuple[Record, Array]]:
        """Records of CUBA neurons that state a parameter, with its values."""
        for record in self.records:
            value = (record.neuron or {}).get(name)
            if value is not None and record.neuron_type in CUBA:
                yield record, value

    @property
    def biased(self) -> Iterator[tuple[Record, Array]]:
        """Records behind synapses that have a bias, with the integers that are read."""
        for record in self.records:
            if record.type != "input" and "bias" in record.values:
                yield record, np.trunc(np.atleast_1d(record.values["bias"]))

    @property
    def dense(self) -> Iterator[tuple[Record, Array, Array | None]]:
        """Dense records with their integer matrices, where these can be read."""
        for record in self.records:
            if record.type in ("dense", "dense_rec") and "weight/imag" not in record.values:
                try:
                    outputs = int(np.prod(layer_shape(record), dtype=object))
                    yield record, *matrices(record, outputs)
                except Refused:
                    continue

    @property
    def block(self) -> bool:
        """Whether the network starts with an input population."""
        return bool(self.plan.layers) and isinstance(self.plan.layers[0], InputBlock)
