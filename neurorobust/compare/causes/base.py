"""What a cause is called, and a hypothesis: a changed law for one layer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from neurorobust.ir import LI, LIF, Graph

CAUSES: Mapping[str, str] = {
    "compare": "> or >= at the threshold",
    "reset timing": "reset in the same or the next step",
    "reset mode": "hard, soft or no reset",
    "soft-reset amount": "what a soft reset subtracts",
    "hard-reset value": "where a hard reset leads",
    "lost bias": "a bias is missing",
    "layer delay": "a layer runs some steps late",
    "flatten order": "features in another order",
    "kernel flip": "convolution or correlation",
    "transposed weight": "rows and columns exchanged",
    "initial state": "the state before the first step",
    "refractory": "steps of rest after a spike",
    "lost layer": "a layer is missing",
    "lost connection": "an edge is missing",
    "padding": "zeros around a window",
    "pooling": "average, sum or maximum",
    "preprocessing": "mean and deviation of the input",
    "spikes per step": "most spikes in one step",
    "lower bound": "the least membrane",
    "synaptic current": "the filter before the membrane",
    "input gain": "a factor on the input",
    "dt": "another duration of a step: decays differ",
    "bias": "a bias differs",
    "threshold": "another threshold",
    "rounded weights": "weights in fewer bits",
    "weights": "other weights",
    "readout": "how scores are read",
}
"""What each cause is about. Of those that explain a difference equally well, the first is named."""

PRIORITY = {cause: place for place, cause in enumerate(CAUSES)}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Hypothesis:
    """How the law of a layer may differ on the other side.

    Attributes:
        cause: Of the catalogue.
        text: What differs; ``{x}`` is the side whose law was changed, ``{y}`` the other one.
        law: The changed neurons, if it is they.
        graph: The changed network, if it is that.
        shift: Steps that the layer runs late.
        told: Whether the parameters of both sides say so.
    """

    cause: str
    text: str
    law: LIF | LI | None = None
    graph: Graph | None = None
    shift: int = 0
    told: bool = False

    def applied(self, graph: Graph, layer: str) -> Graph:
        """The whole network with this change; a late layer gets later input."""
        if self.graph is not None:
            return self.graph
        if self.law is not None:
            return graph.with_(nodes={**graph.nodes, layer: self.law})
        edges = [
            replace(e, delay=e.delay + self.shift) if e.target == layer else e for e in graph.edges
        ]
        return graph.with_(edges=tuple(edges))
