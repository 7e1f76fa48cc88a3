"""snnTorch as a backend: rung ``float``, bit for bit the canonical law."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from neurorobust.backends.framework import FrameworkBackend
from neurorobust.ir import Graph
from neurorobust_snntorch.gaps import GAPS

if TYPE_CHECKING:
    import torch

    from neurorobust.backends import Deviation
    from neurorobust.backends.modules import Neuron


class SnnTorch(FrameworkBackend):
    """One snnTorch neuron (or two, see ``neurons``) per LIF and LI node."""

    name = "snntorch"
    label: ClassVar[str] = "snnTorch"
    verified: ClassVar[str] = "1.0.0"
    gaps: ClassVar[Mapping[str, str]] = GAPS

    def neurons(
        self, model: Graph, dtype: "torch.dtype"
    ) -> "tuple[Mapping[str, Neuron], tuple[Deviation, ...]]":
        """SnnTorch's classes, each within its exact range."""
        from neurorobust_snntorch.neurons import neurons_of

        return neurons_of(model, dtype), ()


backend = SnnTorch()
