"""Lava processes of our own: a sink and a probe that keep what they see in files, and a reset.

Lava's own sink, and its own way of reading a variable, go through ``Var.get``, one element at a
time: 17 to 25 µs each, minutes for the spikes of a hidden layer. The values are the same. Lava's
own reset does one variable per process and leaves its integers in 64 bits, which do not wrap where
those of the population do.
"""

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag  # noqa: TID251
from lava.magma.core.model.py.model import PyLoihiProcessModel  # noqa: TID251
from lava.magma.core.model.py.ports import PyInPort, PyRefPort  # noqa: TID251
from lava.magma.core.model.py.type import LavaPyType  # noqa: TID251
from lava.magma.core.process.ports.ports import InPort, RefPort  # noqa: TID251
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


class MappedProbe(AbstractProcess):
    """Writes a variable as step t leaves it into row t - 1 of an existing npy file.

    Args:
        var: The variable; of a population after its reset.
        path: The file, of shape (rows, *shape of the variable).
    """

    def __init__(self, *, var: Any, path: str) -> None:
        """Create the port and connect it."""
        super().__init__(path=path, first=0)
        self.state = RefPort(shape=var.shape)
        self.state.connect_var(var)


class StateReset(AbstractProcess):
    """Sets u = v = 0 after the steps t with ``(t - 1) % interval == offset``.

    Args:
        u: The current, a variable of another process.
        v: The membrane, the same.
        interval: Steps between two resets.
        offset: Phase, below ``interval``.
    """

    def __init__(self, *, u: Any, v: Any, interval: int, offset: int) -> None:
        """Create the ports and connect them."""
        super().__init__(interval=interval, offset=offset, shape=u.shape)
        self.u = RefPort(shape=u.shape)
        self.v = RefPort(shape=v.shape)
        self.u.connect_var(u)
        self.v.connect_var(v)


class _Mapped(PyLoihiProcessModel):
    def __init__(self, proc_params: dict[str, Any]) -> None:
        super().__init__(proc_params)
        self._rows = np.load(proc_params["path"], mmap_mode="r+", allow_pickle=False)
        self._first = proc_params["first"]

    def _keep(self, values: Any) -> None:
        self._rows[self._first + self.time_step - 1] = values


class _Sink(_Mapped):
    a_in = None

    def run_spk(self) -> None:
        """Store one step."""
        self._keep(self.a_in.recv())


@implements(proc=MappedSink, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyMappedSinkFixed(_Sink):
    """Integers, as Lava's fixed-point sink."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)


@implements(proc=MappedSink, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyMappedSinkFloat(_Sink):
    """Floats, as Lava's floating-point sink."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)


@implements(proc=MappedProbe, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyMappedProbeFixed(_Mapped):
    """Integers."""

    state: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, int)

    def post_guard(self) -> bool:
        """Take part in the end of every step."""
        return True

    def run_post_mgmt(self) -> None:
        """Store one step."""
        self._keep(self.state.read())


class _Reset(PyLoihiProcessModel):
    u = None
    v = None

    def __init__(self, proc_params: dict[str, Any]) -> None:
        super().__init__(proc_params)
        self._interval = proc_params["interval"]
        self._offset = proc_params["offset"]
        self._shape = proc_params["shape"]

    def post_guard(self) -> bool:
        """Whether this step is followed by a reset."""
        return (self.time_step - 1) % self._interval == self._offset

    def run_post_mgmt(self) -> None:
        """Reset."""
        for port in (self.u, self.v):
            port.write(np.zeros(self._shape, self.number))
            port.wait()


@implements(proc=StateReset, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyStateResetFixed(_Reset):
    """Integers of the width that the population itself keeps."""

    number = np.int32
    u: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)
    v: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)


@implements(proc=StateReset, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyStateResetFloat(_Reset):
    """Floats."""

    number = float
    u: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)
    v: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)
