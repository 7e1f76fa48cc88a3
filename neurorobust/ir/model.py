"""The network as a whole: header, edges, and what a Graph and a Program have in common."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self, TypeVar

from neurorobust.ir.base import Arithmetic, Node, Shape
from neurorobust.ir.ports import Input, Output

Coding = Literal["direct", "bernoulli", "events"]
N = TypeVar("N", bound=Node)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the arrays alone do not say.

    Attributes:
        name: For people.
        dt_s: Duration of a step in seconds, above 0.
        steps: Number of steps T a stimulus is shown for.
        coding: ``direct`` (the same values in every step), ``bernoulli`` (spikes drawn with the
            value as probability) or ``events`` (values given per step).
        bounds: Smallest and largest legal input value, before preprocessing.
        levels: Number of values the sensor can give between the bounds, both included (256 for
            8-bit pixels); None where the input is continuous.
        mean: Subtracted from the input, one number per channel (or one, or none).
        std: Divides the input after that.
        classes: Names of the classes, in the order of the scores; may be empty.
        provenance: Where the model comes from. Not part of the content hash.
    """

    name: str = ""
    dt_s: float
    steps: int
    coding: Coding = "direct"
    bounds: tuple[float, float] = (0.0, 1.0)
    levels: int | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """From one node to another, ``delay`` steps later; before that the target receives zeros."""

    source: str
    target: str
    delay: int = 0


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
        from neurorobust.ir.check import check

        object.__setattr__(self, "nodes", MappingProxyType(dict(self.nodes)))
        object.__setattr__(self, "edges", tuple(self.edges))
        object.__setattr__(self, "shapes", check(self))

    shapes: Mapping[str, Shape] = field(init=False, repr=False)
    """Output shape of every node, without batch and time."""

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Node names so that each comes after its sources, as far as loops allow."""
        from neurorobust.ir.order import topological_order

        return topological_order(self.nodes, self.edges)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of all that is computed: nodes, arrays, edges, header without name and origin."""
        from neurorobust.ir.store import content_hash

        return content_hash(self)

    @cached_property
    def input(self) -> str:
        """Name of the one Input."""
        return next(name for name, _ in self.of_kind(Input))

    @cached_property
    def output(self) -> str:
        """Name of the one Output."""
        return next(name for name, _ in self.of_kind(Output))

    @cached_property
    def spiking(self) -> tuple[str, ...]:
        """Names of the spiking nodes, in order of execution."""
        return tuple(name for name in self.order if self.nodes[name].spiking)

    @cached_property
    def recurrent(self) -> bool:
        """Whether some path leads from a node back to itself."""
        from neurorobust.ir.order import has_cycle

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


def chain_edges(nodes: Mapping[str, Node]) -> tuple[Edge, ...]:
    """Edges from each node to the next, in the order of the mapping."""
    names = list(nodes)
    return tuple(Edge(a, b) for a, b in pairwise(names))
