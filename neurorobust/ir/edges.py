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
    """Names so that each comes after all its sources; within a loop, after its undelayed ones.

    Raises:
        CycleError: if undelayed edges form a loop.
    """
    names, edges = tuple(names), tuple(edges)
    try:
        return _sorted(names, edges)
    except CycleError:
        loops = _loops(names, edges)
        return _sorted(names, (e for e in edges if e.delay == 0 or e.target not in loops[e.source]))


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


def _loops(names: Iterable[str], edges: Iterable[Edge]) -> dict[str, set[str]]:
    """Per node, those that share a loop with it: each can be reached from the other."""
    targets: dict[str, list[str]] = {name: [] for name in names}
    for edge in edges:
        targets[edge.source].append(edge.target)
    reached: dict[str, set[str]] = {}
    for name in targets:
        found, ahead = set[str](), [name]
        while ahead:
            fresh = [target for target in targets[ahead.pop()] if target not in found]
            found.update(fresh)
            ahead += fresh
        reached[name] = found
    return {name: {far for far in found if name in reached[far]} for name, found in reached.items()}


def _sorted(names: Iterable[str], edges: Iterable[Edge]) -> tuple[str, ...]:
    sources: Mapping[str, list[str]] = {name: [] for name in names}
    for edge in edges:
        sources[edge.target].append(edge.source)
    return tuple(TopologicalSorter(sources).static_order())
