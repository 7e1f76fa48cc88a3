"""Causes in the wiring before a layer: delays, missing nodes and edges, preprocessing."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from neurorobust.compare.causes.base import Hypothesis
from neurorobust.compare.causes.place import Place
from neurorobust.ir import Flatten, Input

_LONGEST = 3
"""Most steps that a layer is assumed to run late or early."""


def wirings(place: Place) -> Iterator[Hypothesis]:
    """Changes of the edges and of the presence of nodes on the way to a layer."""
    yield from _delays(place)
    yield from _losses(place)
    yield from _preprocessing(place)


def _delays(place: Place) -> Iterator[Hypothesis]:
    graph = place.graph
    into = graph.incoming(place.layer)
    for steps in range(1, _LONGEST + 1):
        for way in (steps, -steps):
            word = f"{_steps(steps)} {'later' if way > 0 else 'earlier'} in {{y}}"
            changes = [(f"everything reaches {place.layer} {word}", into)] if len(into) > 1 else []
            changes += [(f"{e.source} reaches {e.target} {word}", [e]) for e in place.edges]
            for text, edges in changes:
                if all(e.delay + way >= 0 for e in edges):
                    moved = tuple(
                        replace(e, delay=e.delay + way) if e in edges else e for e in graph.edges
                    )
                    if (changed := place.with_(edges=moved)) is not None:
                        yield Hypothesis(cause="layer delay", text=text, graph=changed)
        text = f"{place.layer} of {{y}} runs {_steps(steps)} late"
        yield Hypothesis(cause="layer delay", text=text, shift=steps)


def _steps(count: int) -> str:
    return f"{count} step{'s' if count > 1 else ''}"


def _losses(place: Place) -> Iterator[Hypothesis]:
    graph = place.graph
    for name, node in place.nodes.items():
        if not isinstance(node, Input | Flatten) and (less := place.without(name)) is not None:
            text = f"{{y}} lacks {name}, a {node.kind}"
            yield Hypothesis(cause="lost layer", text=text, graph=less)
    for edge in place.edges:
        if len(graph.incoming(edge.target)) > 1:
            # What the edge alone gave is left without readers, which only a whole Graph forbids.
            lost = _unread(place, {edge.source}, edge.target)
            kept = tuple(e for e in graph.edges if e != edge and e.source not in lost)
            nodes = {n: node for n, node in graph.nodes.items() if n not in lost}
            edges = tuple(e for e in kept if e.target not in lost)
            changed = place.with_(nodes=nodes, edges=edges)
            if changed is not None:
                text = f"{{y}} lacks the edge from {edge.source} to {edge.target}"
                yield Hypothesis(cause="lost connection", text=text, graph=changed)


def _unread(place: Place, sources: set[str], target: str) -> set[str]:
    """Maps that nothing reads once their way to ``target`` is gone."""
    lost: set[str] = set()
    while sources:
        name = sources.pop()
        readers = {e.target for e in place.graph.outgoing(name)} - {target, *lost}
        if not readers and name in place.nodes and not isinstance(place.nodes[name], Input):
            lost.add(name)
            sources |= {e.source for e in place.graph.incoming(name)}
    return lost


def _preprocessing(place: Place) -> Iterator[Hypothesis]:
    graph = place.graph
    if not any(isinstance(node, Input) for node in place.nodes.values()):
        return
    for what in (("mean",), ("std",), ("mean", "std")):
        if all(getattr(graph.header, field) for field in what):
            none: Any = dict.fromkeys(what, ())
            header = replace(graph.header, **none)
            text = f"{{y}} does not apply {' and '.join(what)} to the input"
            yield Hypothesis(cause="preprocessing", text=text, graph=graph.with_(header=header))
