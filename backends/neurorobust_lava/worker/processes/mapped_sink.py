"""A sink that keeps what it receives in a memory-mapped file.

Lava's own sink can only be read through ``Var.get``, one element at a time: 17 to 25 µs each,
minutes for the spikes of a hidden layer. The values are the same.
"""

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag  # noqa: TID251
from lava.magma.core.model.py.model import PyLoihiProcessModel  # noqa: TID251
from lava.magma.core.model.py.ports import PyInPort  # noqa: TID251
from lava.magma.core.model.py.type import LavaPyType  # noqa: TID251
from lava.magma.core.process.ports.ports import InPort  # noqa: TID251
from lava.magma.core.process.process import AbstractProcess  # noqa: TID251
from lava.magma.core.resources import CPU  # noqa: TID251
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol  # noqa: TID251


class MappedSink(AbstractProcess):
    """Writes the input of step t into row ``first + t - 1`` of an existing npy file.

    Args:
        shape: Shape of the input.
        path: The file, of shape (rows, *shape).
        first: Row of the first step.
    """

    def __init__(self, *, shape: tuple[int, ...], path: str, first: int = 0) -> None:
        """Create the port."""
        super().__init__(shape=shape, path=path, first=first)
        self.a_in = InPort(shape=shape)


class _Model(PyLoihiProcessModel):
    a_in = None

    def __init__(self, proc_params: dict[str, Any]) -> None:
        super().__init__(proc_params)
        self._rows = np.load(proc_params["path"], mmap_mode="r+", allow_pickle=False)
        self._first = proc_params["first"]

    def run_spk(self) -> None:
        """Store one step."""
        self._rows[self._first + self.time_step - 1] = self.a_in.recv()


@implements(proc=MappedSink, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyMappedSinkFixed(_Model):
    """Integers, as Lava's fixed-point sink."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)


@implements(proc=MappedSink, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyMappedSinkFloat(_Model):
    """Floats, as Lava's floating-point sink."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
