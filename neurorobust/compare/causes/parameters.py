"""Two models whose parameters can both be read: which fields differ, and what each is a case of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from neurorobust.compare.causes.base import Hypothesis
from neurorobust.compare.causes.place import Place
from neurorobust.compare.causes.synapse import synapses
from neurorobust.ir import LI, LIF, Array, Edge, FixedNeuron, Graph, Input, Model, Node

_CAUSES: Mapping[str, str] = {
    "compare": "compare",
    "reset": "reset mode",
    "reset_timing": "reset timing",
    "beta": "dt",
    "alpha": "dt",
    "du": "dt",
    "dv": "dt",
    "gain_in": "input gain",
    "gain_syn": "input gain",
    "threshold": "threshold",
    "vth": "threshold",
    "v_init": "initial state",
    "i_init": "initial state",
    "refractory": "refractory",
    "max_spikes": "spikes per step",
    "v_min": "lower bound",
    "padding": "padding",
    "stride": "padding",
    "dilation": "padding",
    "op": "pooling",
    "readout": "readout",
    "mean": "preprocessing",
    "std": "preprocessing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unequal:
    """A field that is not the same on both sides.

    Attributes:
        node: Its node, on A.
        field: Its name.
        cause: What of the catalogue it is a case of.
        a: Its value on A, in words.
        b: On B.
    """

    node: str
    field: str
    cause: str
    a: str
    b: str


def counterparts(a: Model, b: Model, layers: Mapping[str, str]) -> dict[str, str]:
    """Nodes of A and those of B that stand for them: matched layers, then names, then order."""
    found = dict(layers)
    for name, node in a.nodes.items():
        if name not in found and name in b.nodes and b.nodes[name].kind == node.kind:
            found[name] = name
    taken = set(found.values())
    for kind in {node.kind for node in a.nodes.values()}:
        left = [n for n in a.order if n not in found and a.nodes[n].kind == kind]
        right = [n for n in b.order if n not in taken and b.nodes[n].kind == kind]
        if len(left) == len(right):
            found |= dict(zip(left, right, strict=True))
    return found


def unequal(a: Model, b: Model, same: Mapping[str, str]) -> tuple[Unequal, ...]:
    """Every field that differs, of nodes, edges and header."""
    found = []
    for name, other in same.items():
        x, y = a.nodes[name], b.nodes[other]
        for field in _differing(x, y):
            own, value = _value(x, field), _value(y, field)
            cause = _cause(x, field, own, value)
            words = {"a": _words(own), "b": _words(value)}
            found.append(Unequal(node=name, field=field, cause=cause, **words))
    delays = {(same.get(e.source), same.get(e.target)): e for e in a.edges}
    for edge in b.edges:
        own = delays.get((edge.source, edge.target))
        if own is not None and own.delay != edge.delay:
            field, words = f"delay from {own.source}", {"a": str(own.delay), "b": str(edge.delay)}
            found.append(Unequal(node=own.target, field=field, cause="layer delay", **words))
    for field in ("mean", "std", "dt_s"):
        x_value, y_value = getattr(a.header, field), getattr(b.header, field)
        if x_value != y_value:
            cause, words = _CAUSES.get(field, "dt"), {"a": str(x_value), "b": str(y_value)}
            found.append(Unequal(node="header", field=field, cause=cause, **words))
    return tuple(found)


def transplants(place: Place, other: Graph, same: Mapping[str, str]) -> Iterator[Hypothesis]:
    """One field of the other side at a time, put into the law of a layer."""
    graph = place.graph
    if place.layer in same:
        theirs = other.nodes[same[place.layer]]
        law = place.law
        if isinstance(theirs, LIF | LI) and type(theirs) is type(law):
            for field in _differing(law, theirs):
                own, value = _value(law, field), _value(theirs, field)
                text, cause = _told(place.layer, field, own, value), _cause(law, field, own, value)
                taken: Any = {field: value}
                yield Hypothesis(cause=cause, text=text, law=replace(law, **taken), told=True)
    for name, node in place.nodes.items():
        match = other.nodes[same[name]] if name in same else None
        if match is None or type(match) is not type(node):
            continue
        for field in _differing(node, match):
            taken = {field: getattr(match, field)}
            changed = place.with_node(name, replace(node, **taken))
            if changed is not None:
                yield _named(place, name, (node, match), field, changed)
    entering = any(isinstance(node, Input) for node in place.nodes.values())
    for field in ("mean", "std") if entering else ():
        own, value = getattr(graph.header, field), getattr(other.header, field)
        if own != value:
            taken = {field: value}
            text = f"{field} of the input is {value or 'none'} in {{y}}, {own or 'none'} in {{x}}"
            changed = graph.with_(header=replace(graph.header, **taken))
            yield Hypothesis(cause="preprocessing", text=text, graph=changed, told=True)
    if moved := _moved(place, other, same):
        changed = place.with_(edges=tuple(moved.get(e, e) for e in graph.edges))
        if changed is not None:
            text = "; ".join(
                f"from {e.source} to {e.target}: {m.delay} steps in {{y}}, {e.delay} in {{x}}"
                for e, m in moved.items()
            )
            yield Hypothesis(cause="layer delay", text=text, graph=changed, told=True)


def _value(node: Node, field: str) -> Any:
    """Of a field; of a reset with its default filled in."""
    if field == "reset_value" and isinstance(node, LIF):
        return node.reset_to
    return getattr(node, field)


def _told(name: str, field: str, own: Any, value: Any) -> str:
    return f"{field} of {name} is {_words(value)} in {{y}}, {_words(own)} in {{x}}"


def _named(
    place: Place, name: str, nodes: tuple[Node, Node], field: str, changed: Graph
) -> Hypothesis:
    """A transplant into a map, by the name of the change of the catalogue that equals it."""
    node = nodes[0]
    own, value = (getattr(each, field) for each in nodes)
    text = _told(name, field, own, value)
    if field == "weight":
        for known in synapses(place):
            candidate = known.graph.nodes.get(name) if known.graph else None
            weight = None if candidate is None else candidate.arrays().get("weight")
            if weight is not None and weight.shape == value.shape and (weight == value).all():
                return replace(known, graph=changed, told=True)
        cause = "rounded weights" if coarser(own, value) else "weights"
        if cause == "rounded weights":
            text = f"the weights of {name} are rounded in {{y}}"
        return Hypothesis(cause=cause, text=text, graph=changed, told=True)
    return Hypothesis(cause=_cause(node, field, own, value), text=text, graph=changed, told=True)


def coarser(weight: Array, other: Array) -> bool:
    """Whether the other weights are close to these and fewer numbers."""
    if weight.shape != other.shape:
        return False
    apart = np.abs(weight - other).max()
    few = len(np.unique(other)) < len(np.unique(weight))
    return bool(few and apart <= 0.5 * np.abs(weight).max())


def _moved(place: Place, other: Graph, same: Mapping[str, str]) -> dict[Edge, Edge]:
    theirs = {(e.source, e.target): e.delay for e in other.edges}
    found = {}
    for edge in place.edges:
        ends = same.get(edge.source, ""), same.get(edge.target, "")
        delay = theirs.get(ends, edge.delay)
        if delay != edge.delay:
            found[edge] = replace(edge, delay=delay)
    return found


def _differing(x: Node, y: Node) -> Iterator[str]:
    if type(x) is not type(y):
        return
    for field in fields(x):
        if field.name == "reset_value" and getattr(x, "reset", "") != getattr(y, "reset", ""):
            continue  # the amount follows from the mode
        if not _equal(_value(x, field.name), _value(y, field.name)):
            yield field.name


def _equal(x: Any, y: Any) -> bool:
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        if x.shape != y.shape and x.size != 1 and y.size != 1:
            return False
        return bool((x == y).all())
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        only = x if isinstance(x, np.ndarray) else y
        return (x is None or y is None) and only.ndim > 0 and not only.any()
    return bool(x == y)


def _cause(node: Node, field: str, own: Any, value: Any) -> str:
    if field == "reset_value":
        mode = node.reset if isinstance(node, LIF) else "hard"
        return "soft-reset amount" if mode == "soft" else "hard-reset value"
    if field in ("bias", "bias_mant", "shift"):
        return "lost bias" if value is None or not np.any(value) else "bias"
    if field == "weight":
        return "rounded weights" if coarser(own, value) else "weights"
    if field == "alpha" and (own is None or value is None):
        return "synaptic current"
    if isinstance(node, FixedNeuron) and field in ("du", "dv"):
        return "dt"
    return _CAUSES.get(field, "weights")


def _words(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, np.ndarray):
        if value.size == 1:
            return f"{value.item():.6g}"
        return f"{'×'.join(map(str, value.shape))} values, {value.min():.6g} to {value.max():.6g}"
    return str(value)
