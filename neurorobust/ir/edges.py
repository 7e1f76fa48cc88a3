"""Edges with their delays, the order of execution, and loops."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """From one node to another, ``delay`` steps later; before that the target receives zeros."""

    source: str
    target: str
    delay: int = 0


def chain_edges(names: Iterable[str]) -> tuple[Edge, ...]:
    """Edges from each node to the next."""
    return tuple(Edge(a, b) for a, b in pairwise(names))


def topological_order(names: Iterable[str], edges: Iterable[Edge]) -> tuple[str, ...]:
    """Names so that each comes after all its sources, or in a loop after its undelayed ones.

    Raises:
        CycleError: if undelayed edges form a loop.
    """
    names, edges = tuple(names), tuple(edges)
    try:
        return _sorted(names, edges)
    except CycleError:
        return _sorted(names, (edge for edge in edges if edge.delay == 0))


def undelayed_cycle(names: Iterable[str], edges: Iterable[Edge]) -> tuple[str, ...]:
    """The nodes of one loop in which no edge has a delay, or nothing."""
    try:
        topological_order(names, edges)
    except CycleError as error:
        return tuple(error.args[1])
    return ()


def has_cycle(names: Iterable[str], edges: Iterable[Edge]) -> bool:
    """Whether the edges, delayed or not, form a loop."""
    try:
        _sorted(names, edges)
    except CycleError:
        return True
    return False


def _sorted(names: Iterable[str], edges: Iterable[Edge]) -> tuple[str, ...]:
    sources: Mapping[str, list[str]] = {name: [] for name in names}
    for edge in edges:
        sources[edge.target].append(edge.source)
    return tuple(TopologicalSorter(sources).static_order())
