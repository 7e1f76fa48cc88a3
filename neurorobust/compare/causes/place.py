"""Where hypotheses are tested: a layer and everything between it and the recorded layers before."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from neurorobust.errors import InvalidModel
from neurorobust.ir import LI, LIF, Edge, Flatten, Graph, Node, Output


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """One layer of a Graph.

    Attributes:
        graph: The network.
        layer: The layer's name.
        recorded: Layers whose outputs are known; the way to the layer starts behind them.
    """

    graph: Graph
    layer: str
    recorded: Collection[str]

    @property
    def law(self) -> LIF | LI:
        """The layer's neurons."""
        node = self.graph.nodes[self.layer]
        assert isinstance(node, LIF | LI)  # noqa: S101  # layers are populations
        return node

    @property
    def edges(self) -> tuple[Edge, ...]:
        """All edges on the way, nearest to the layer first."""
        found: dict[Edge, None] = {}
        ahead, seen = [self.layer], {self.layer}
        while ahead:
            for edge in self.graph.incoming(ahead.pop(0)):
                found[edge] = None
                if edge.source not in seen and edge.source not in self.recorded:
                    seen.add(edge.source)
                    ahead.append(edge.source)
        return tuple(found)

    @property
    def nodes(self) -> dict[str, Node]:
        """All nodes on the way that are not recorded, nearest first."""
        names = dict.fromkeys(e.source for e in self.edges if e.source not in self.recorded)
        return {name: self.graph.nodes[name] for name in names}

    def with_node(self, name: str, node: Node) -> Graph | None:
        """The network with another node, or None if that is none."""
        return self.with_(nodes={**self.graph.nodes, name: node})

    def without(self, name: str) -> Graph | None:
        """The network with a node bridged, or None if shapes do not allow that."""
        graph = self.graph
        before, after = graph.incoming(name), graph.outgoing(name)
        bridges = [
            Edge(x.source, y.target, x.delay + y.delay)
            for x in before
            for y in after
            if name not in (x.source, y.target)
        ]
        kept = [e for e in graph.edges if name not in (e.source, e.target)]
        nodes = {n: node for n, node in graph.nodes.items() if n != name}
        return self.with_(nodes=nodes, edges=tuple(kept + bridges))

    def with_(self, **changes: Any) -> Graph | None:
        """The network with other nodes or edges, or None if that is none."""
        try:
            return self.graph.with_(**changes)
        except InvalidModel:
            return self._cut(**changes)

    def _cut(
        self, *, nodes: Mapping[str, Node] | None = None, edges: tuple[Edge, ...] | None = None
    ) -> Graph | None:
        """The network up to the layer, where the rest does not fit what it would now be given."""
        nodes = self.graph.nodes if nodes is None else nodes
        edges = self.graph.edges if edges is None else edges
        kept, ahead = {self.layer}, [self.layer]
        while ahead:
            at = ahead.pop()
            fresh = {e.source for e in edges if e.target == at} - kept
            kept |= fresh
            ahead += fresh
        ends = {"cut.flat": Flatten(), "cut.output": Output()}
        end = (Edge(self.layer, "cut.flat"), Edge("cut.flat", "cut.output"))
        inner = tuple(e for e in edges if e.source in kept and e.target in kept)
        try:
            return self.graph.with_(
                nodes={n: node for n, node in nodes.items() if n in kept} | ends,
                edges=(*inner, *end),
            )
        except InvalidModel:
            return None
