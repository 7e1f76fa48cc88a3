"""The network as a whole: what a Graph and a Program have in common, and the Graph."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeVar

from neurorobust.ir.base import Arithmetic, Node, Shape
from neurorobust.ir.check import check
from neurorobust.ir.edges import Edge, chain_edges, has_cycle, topological_order
from neurorobust.ir.header import Header
from neurorobust.ir.identity import content_hash
from neurorobust.ir.ports import Input, Output

N = TypeVar("N", bound=Node)


@dataclass(frozen=True, eq=False, kw_only=True)
class Model:
    """Nodes by name and the edges between them. A node's input is the *sum* over its edges.

    Checked when made: all faults are raised together as ``InvalidModel``.
    """

    arithmetic: ClassVar[Arithmetic] = "float"
    """Numbers its nodes compute with."""

    header: Header
    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", MappingProxyType(dict(self.nodes)))
        object.__setattr__(self, "edges", tuple(self.edges))
        object.__setattr__(self, "shapes", check(self))

    shapes: Mapping[str, Shape] = field(init=False, repr=False)
    """Output shape of every node, without batch and time."""

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Node names so that each comes after its sources, as far as loops allow."""
        return topological_order(self.nodes, self.edges)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of all that is computed: nodes, arrays, edges, header without name and origin."""
        return content_hash(self)

    @cached_property
    def input(self) -> str:
        """Name of the one Input."""
        return next(name for name, _ in self.of_kind(Input))

    @cached_property
    def output(self) -> str:
        """Name of the one Output."""
        return next(name for name, _ in self.of_kind(Output))

    @property
    def input_shape(self) -> Shape:
        """Shape of one sample of the stimulus at one step."""
        return self.shapes[self.input]

    @cached_property
    def spiking(self) -> tuple[str, ...]:
        """Names of the spiking nodes, in order of execution."""
        return tuple(name for name in self.order if self.nodes[name].spiking)

    @cached_property
    def recurrent(self) -> bool:
        """Whether some path leads from a node back to itself."""
        return has_cycle(self.nodes, self.edges)

    def of_kind(self, kind: type[N]) -> Iterator[tuple[str, N]]:
        """Names and nodes of one class (or its subclasses)."""
        return ((name, node) for name, node in self.nodes.items() if isinstance(node, kind))

    def incoming(self, name: str) -> list[Edge]:
        """Edges that end in a node."""
        return [edge for edge in self.edges if edge.target == name]

    def outgoing(self, name: str) -> list[Edge]:
        """Edges that start in a node."""
        return [edge for edge in self.edges if edge.source == name]

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields replaced, checked anew."""
        return replace(self, **changes)


@dataclass(frozen=True, eq=False, kw_only=True)
class Graph(Model):
    """A spiking network as trained: floating-point arrays, explicit discrete semantics.

    Example:
        >>> import numpy as np
        >>> graph = Graph.chain(
        ...     Header(dt_s=1e-3, steps=8),
        ...     input=Input(shape=(2,)),
        ...     fc=Affine(weight=np.ones((1, 2))),
        ...     lif=LIF(beta=0.9, threshold=1.0),
        ...     output=Output(),
        ... )
        >>> graph.shapes["lif"]
        (1,)
    """

    @classmethod
    def chain(cls, header: Header, /, **nodes: Node) -> Self:
        """A network in which each node feeds the next."""
        return cls(header=header, nodes=nodes, edges=chain_edges(nodes))
