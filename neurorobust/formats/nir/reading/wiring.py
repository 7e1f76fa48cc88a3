"""Graphs within graphs, delays and cycles of NIR → flat nodes and edges with whole delays."""

from collections.abc import Mapping

import numpy as np

from neurorobust.formats.nir.document import Entry
from neurorobust.formats.nir.reading.parameters import Fault
from neurorobust.formats.reading import Reading, give
from neurorobust.ir.edges import Edge, undelayed_cycle

NEURONS = frozenset({"LIF", "IF", "CubaLIF", "LI", "CubaLI", "I"})
_WHOLE = 1e-6
"""Relative distance from a whole number of steps that rounding explains."""


def flatten(root: Entry, rules: Reading) -> tuple[dict[str, Entry], list[Edge]]:
    """Leaves by dotted name, and the edges between them.

    Inputs and Outputs within the graph vanish; a Delay becomes the delay of the edges through it; a
    cycle without Delay gets the step that ``rules.recurrence`` places.

    Raises:
        Fault: naming what has no exact form.
    """
    nodes: dict[str, Entry] = {}
    edges: list[Edge] = []
    _collect(root, "", nodes, edges)
    for kind in ("Input", "Output"):
        found = [n for n, e in nodes.items() if e.kind == kind and n in root.nodes]
        if len(found) != 1:
            what = f"has {len(found)} {kind} nodes: {found}"
            raise Fault("the graph", what, "a Graph has one of each; split the file")
    inner = [n for n, e in nodes.items() if e.kind in ("Input", "Output") and n not in root.nodes]
    delays = [(name, _steps(name, e, rules)) for name, e in nodes.items() if e.kind == "Delay"]
    for name, steps in [*((n, 0) for n in inner), *delays]:
        edges = _through(name, steps, edges)
        del nodes[name]
    return nodes, _with_loops(nodes, edges, rules)


def _collect(graph: Entry, prefix: str, nodes: dict[str, Entry], edges: list[Edge]) -> None:
    ends: dict[str, tuple[str, str]] = {}
    seen = set[Edge]()
    for name, entry in graph.nodes.items():
        full = f"{prefix}{name}"
        if entry.kind == "NIRGraph":
            _collect(entry, f"{full}.", nodes, edges)
            ends[name] = _ports(entry, full)
        else:
            if full in nodes:
                raise Fault(full, "two nodes have this name once subgraphs are opened", "rename it")
            nodes[full] = entry
            ends[name] = (full, full)
    for source, target in graph.edges:
        for end in (source, target):
            if end not in ends:
                what = f"an edge ({source!r}, {target!r}) leads to it, but it does not exist"
                raise Fault(f"{prefix}{end}", what, "repair the edge")
        edge = Edge(ends[source][1], ends[target][0])
        if edge in seen:
            what = f"its edge to {target!r} occurs twice, which NIR does not allow"
            raise Fault(f"{prefix}{source}", what, "add a Scale by 2")
        seen.add(edge)
        edges.append(edge)


def _ports(graph: Entry, name: str) -> tuple[str, str]:
    found = []
    for kind in ("Input", "Output"):
        names = [n for n, entry in graph.nodes.items() if entry.kind == kind]
        if len(names) != 1:
            what = f"is a graph with {len(names)} {kind} nodes: {names}"
            raise Fault(name, what, "a subgraph has one of each")
        found.append(f"{name}.{names[0]}")
    return found[0], found[1]


def _steps(name: str, entry: Entry, rules: Reading) -> int:
    value = entry.values.get("delay")
    if not isinstance(value, np.ndarray) or not value.size:
        raise Fault(name, "is a Delay without 'delay'", "write it")
    times = np.unique(value.astype(np.float64) * rules.unit_s)
    if times.size != 1:
        dt = give("dt_s", rules.step_s)
        what = f"delays differ within the node ({times.min():g}..{times.max():g} s)"
        raise Fault(name, what, "a Graph delays whole edges; split the node by delay")
    steps = float(times[0]) / rules.step_s
    if not (0 <= steps < 1e9) or abs(steps - round(steps)) > _WHOLE * max(steps, 1):
        dt = give("dt_s", rules.step_s)
        what = f"delay {times[0]:g} s is {steps:g} steps of {dt}, no whole number"
        raise Fault(
            name, what, f"choose a {give('dt_s')} that divides it, or another {give('time_unit_s')}"
        )
    return round(steps)


def _through(name: str, steps: int, edges: list[Edge]) -> list[Edge]:
    """The edges when a node that only passes things on is left out."""
    into = [edge for edge in edges if edge.target == name]
    out = [edge for edge in edges if edge.source == name]
    if any(edge.source == name for edge in into):
        raise Fault(name, "feeds itself without a neuron between", "remove the edge")
    kept = [edge for edge in edges if name not in (edge.source, edge.target)]
    joined = [Edge(a.source, b.target, a.delay + b.delay + steps) for a in into for b in out]
    return kept + joined


def _with_loops(nodes: Mapping[str, Entry], edges: list[Edge], rules: Reading) -> list[Edge]:
    """The edges with a delay of one step in every cycle that has none."""
    while loop := undelayed_cycle(nodes, edges):
        ring = loop[:-1]
        way = " -> ".join(loop)
        neurons = [name for name in ring if nodes[name].kind in NEURONS]
        if len(neurons) != 1:
            what = f"the cycle {way} has no Delay and passes {len(neurons)} neurons: {neurons}"
            raise Fault(ring[0], what, "put a Delay of one step where it waits")
        neuron = neurons[0]
        if rules.recurrence is None:
            what = f"the cycle {way} has no Delay, and NIR does not say what waits a step"
            way_out = (
                f"pass {give('recurrence', 'spikes')} (they reach the recurrent weights one step "
                f"later, and a recurrent bias acts from step 0) or {give('recurrence', 'currents')}"
                " (the neurons get nothing back in step 0), or write a Delay of one step"
            )
            raise Fault(neuron, what, way_out)
        at = ring.index(neuron)
        after, before = ring[(at + 1) % len(ring)], ring[at - 1]
        cut = (neuron, after) if rules.recurrence == "spikes" else (before, neuron)
        edges = [Edge(*cut, 1) if e == Edge(*cut) else e for e in edges]
    return edges
