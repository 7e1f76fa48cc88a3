"""A process that sets the state of a population to rest after some steps.

Lava's own reset does one variable per process and leaves its integers in 64 bits, which do not
wrap where those of the population do.
"""

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag  # noqa: TID251
from lava.magma.core.model.py.model import PyLoihiProcessModel  # noqa: TID251
from lava.magma.core.model.py.ports import PyRefPort  # noqa: TID251
from lava.magma.core.model.py.type import LavaPyType  # noqa: TID251
from lava.magma.core.process.ports.ports import RefPort  # noqa: TID251
from lava.magma.core.process.process import AbstractProcess  # noqa: TID251
from lava.magma.core.resources import CPU  # noqa: TID251
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol  # noqa: TID251


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


class _Model(PyLoihiProcessModel):
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
class PyStateResetFixed(_Model):
    """Integers of the width that the population itself keeps."""

    number = np.int32
    u: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)
    v: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)


@implements(proc=StateReset, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyStateResetFloat(_Model):
    """Floats."""

    number = float
    u: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)
    v: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)
