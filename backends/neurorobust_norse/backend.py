"""Norse as a backend: rung ``float``, exact up to the rounding of Norse's own formula."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from neurorobust.backends import Deviation
from neurorobust.backends.framework import FrameworkBackend
from neurorobust.ir import Graph
from neurorobust_norse.gaps import GAPS, ROUNDING

if TYPE_CHECKING:
    import torch

    from neurorobust.backends.modules import Neuron


class Norse(FrameworkBackend):
    """Norse's cells for all LIF and LI nodes (see ``neurons``)."""

    name = "norse"
    label: ClassVar[str] = "Norse"
    verified: ClassVar[str] = "1.1.0"
    gaps: ClassVar[Mapping[str, str]] = GAPS
    rounding: ClassVar[tuple[Deviation, ...]] = (ROUNDING,)

    def neurons(
        self, model: Graph, dtype: "torch.dtype"
    ) -> "tuple[Mapping[str, Neuron], tuple[Deviation, ...]]":
        """Norse's cells, and whether their rounding applies to this model."""
        from neurorobust_norse.neurons import neurons_of, rounds

        return neurons_of(model, dtype), (self.rounding if rounds(model, dtype) else ())


backend = Norse()
