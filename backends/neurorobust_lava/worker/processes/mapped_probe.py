"""A probe that keeps a variable of another process in a memory-mapped file, step by step.

Lava's own way of reading a variable stops the network and moves it element by element; this one
reads it whole, after each step.
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


class MappedProbe(AbstractProcess):
    """Writes a variable as step t leaves it into row t - 1 of an existing npy file.

    Args:
        var: The variable; of a population after its reset.
        path: The file, of shape (rows, *shape of the variable).
    """

    def __init__(self, *, var: Any, path: str) -> None:
        """Create the port and connect it."""
        super().__init__(path=path)
        self.state = RefPort(shape=var.shape)
        self.state.connect_var(var)


@implements(proc=MappedProbe, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyMappedProbeFixed(PyLoihiProcessModel):
    """Integers."""

    state: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, int)

    def __init__(self, proc_params: dict[str, Any]) -> None:
        """Open the file."""
        super().__init__(proc_params)
        self._rows = np.load(proc_params["path"], mmap_mode="r+", allow_pickle=False)

    def post_guard(self) -> bool:
        """Take part in the end of every step."""
        return True

    def run_post_mgmt(self) -> None:
        """Store one step."""
        self._rows[self.time_step - 1] = self.state.read()
