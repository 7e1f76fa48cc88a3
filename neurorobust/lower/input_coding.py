"""Pass: what of a network runs on the host, and what the chip is sent.

========  ==========================================  ==============================================
coding    the host computes                           the chip receives, in every step
========  ==========================================  ==============================================
graded    nothing                                     the input, as whole sensor steps
bias      the maps before the first population, and   the constant current of each neuron:
          its gain and bias                           ``mantissa 2^6``, mantissa within ±4095
host      those and the population itself             its spikes
========  ==========================================  ==============================================
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from neurorobust import ir
from neurorobust.chips.arithmetic import InputCoding
from neurorobust.ir.edges import chain_edges
from neurorobust.lower.log import Log
from neurorobust.lower.neurons import gain_of, without_gain
from neurorobust.lower.ranges import host_range


@dataclass(frozen=True, slots=True)
class Coded:
    """A network in two parts.

    Attributes:
        graph: What is lowered; its Input is what the chip receives.
        host: What is computed before, in floats.
        first: The population that the host computes, with the coding ``host``.
    """

    graph: ir.Graph
    host: ir.Graph | None = None
    first: str = ""


def coded(
    graph: ir.Graph, coding: InputCoding, log: Log, *, others: Sequence[str] = ("graded", "host")
) -> Coded:
    """Cut a network by its input coding.

    Args:
        graph: As trained.
        coding: See above.
        log: Takes notes and refusals.
        others: Codings that the target takes as well.

    Returns:
        The parts; the whole network as ``graded`` if the cut is refused.
    """
    if coding == "graded":
        return Coded(graph)
    instead = f"take the input coding {' or '.join(map(repr, others))}" if others else ""
    first = _first_population(graph, log, instead)
    if first is None:
        return Coded(graph)
    cut = _constant_current if coding == "bias" else _first_on_host
    return cut(graph, first, log, instead) or Coded(graph)


def binary_input(header: ir.Header) -> bool:
    """Whether every value of the input is 0 or one sensor step, a spike."""
    return header.coding == "bernoulli" or (header.levels == 2 and header.bounds[0] == 0)


def _first_population(graph: ir.Graph, log: Log, instead: str) -> str | None:
    """The one population that the input reaches."""
    names = set(_reached(graph))
    found = sorted(name for name in names if graph.nodes[name].population)
    if graph.output in names:
        found.append(graph.output)
    if len(found) == 1 and found[0] != graph.output:
        return found[0]
    why = f"feeds {_listed(found)}; the host computes one first population"
    way_out = f"give the others the spikes of that one{instead and f', or {instead}'}"
    log.refuse(graph.input, "several first populations", why, way_out)
    return None


def _constant_current(graph: ir.Graph, first: str, log: Log, instead: str) -> Coded | None:
    """Cut before the neurons of a population; None if that is refused.

    The host ends in what drives each neuron per step, gain and bias included, in membrane units.
    """
    neuron = graph.nodes[first]
    assert isinstance(neuron, ir.LIF | ir.LI)  # noqa: S101  # the populations of a Graph
    maps = {name for name in _reached(graph) if name != first}
    inside = maps | {graph.input}
    others = [edge for edge in graph.incoming(first) if edge.source not in inside]
    gain, coding = gain_of(neuron), graph.header.coding
    leaving = [edge for name in inside for edge in graph.outgoing(name)]
    needs = {
        f"an input that stays the same in every step, coding 'direct', not {coding!r}": (
            coding == "direct"
        ),
        "a population without synaptic current": isinstance(neuron, ir.LI) or neuron.alpha is None,
        "a gain of 1 where other synapses lead to the population, too": (
            not others or bool((gain == 1).all())
        ),
        "maps that only the input feeds": all(
            edge.source in inside for name in maps for edge in graph.incoming(name)
        ),
        "maps that feed only this population": all(e.target in maps | {first} for e in leaving),
        "edges without delay": not any(edge.delay for edge in leaving),
    }
    faults = {f"a constant current needs {need}": not met for need, met in needs.items()}
    way_out = f"change that{instead and f' or {instead}'}"
    if log.refuse_found(first, "constant current", faults, way_out):
        return None
    shape = graph.shapes[first]
    bias = np.broadcast_to(neuron.bias, shape)
    host = _drive(graph, maps, first, np.broadcast_to(gain, shape).ravel(), bias.ravel())
    largest = float(np.abs(host_range(host)).max())
    if not largest:
        why = "gets a current of 0 whatever the input; its weights are all 0"
        log.refuse(first, "constant current", why)
        return None
    log.note(first, "its maps are computed on the host and enter as constant currents")
    header = replace(graph.header, bounds=(-largest, largest), levels=None, mean=(), std=())
    edges = [edge for edge in graph.edges if edge.source not in inside]
    rest = _rest(graph, header, inside, shape, [ir.Edge(graph.input, first), *edges])
    driven = without_gain(neuron, np.zeros(()))
    return Coded(rest.with_(nodes={**rest.nodes, first: driven}), host)


def _drive(graph: ir.Graph, maps: set[str], first: str, gain: ir.Array, bias: ir.Array) -> ir.Graph:
    """The maps before a population, and per neuron its gain and bias."""
    tail: dict[str, ir.Node] = {}
    if len(graph.shapes[first]) > 1:
        tail["drive.flat"] = ir.Flatten()
    if (gain != 1).any() or bias.any():
        # A variance of 1 with an eps that adds nothing to it: factor and offset, per neuron.
        one, zero = np.ones(len(gain)), np.zeros(len(gain))
        tail["drive"] = ir.BatchNorm(mean=zero, var=one, scale=gain, shift=bias, eps=1e-300)
    kept = maps | {graph.input}
    ends = [edge.source for edge in graph.incoming(first) if edge.source in kept]
    return _host(graph, kept, ends, tail)


def _first_on_host(graph: ir.Graph, first: str, log: Log, instead: str) -> Coded | None:
    """Cut behind a population; None if that is refused."""
    neuron = graph.nodes[first]
    before = _ancestors(graph, first) | {first}
    inside = before | set(_reached(graph))
    strangers = sorted(n for n in before - {first} if graph.nodes[n].population)
    leaks = sorted(
        edge.source
        for edge in graph.edges
        if edge.source in inside - {first} and edge.target not in inside
    )
    behind = {edge.target for edge in graph.outgoing(first)} - inside
    left = [n for n, node in graph.nodes.items() if node.population and n not in inside]
    faults = {
        "gives no spikes that could be sent": not isinstance(neuron, ir.LIF),
        f"depends on {_listed(strangers)} as well; the host computes one population": bool(
            strangers
        ),
        f"{_listed(leaks)} also feed what stays on the chip": bool(leaks),
        "is all there is; nothing would be left for the chip": not left,
        "feeds nothing on the chip": not behind,
    }
    if log.refuse_found(first, "first on host", faults, instead):
        return None
    assert isinstance(neuron, ir.LIF)  # noqa: S101  # a fault otherwise
    most = neuron.max_spikes
    tail: dict[str, ir.Node] = {"sent.flat": ir.Flatten()} if len(graph.shapes[first]) > 1 else {}
    header = replace(
        graph.header, coding="events", bounds=(0.0, float(most)), levels=most + 1, mean=(), std=()
    )
    crossing = [
        replace(edge, source=graph.input) if edge.source == first else edge
        for edge in graph.edges
        if edge.target not in inside
    ]
    rest = _rest(graph, header, inside, graph.shapes[first], crossing)
    return Coded(rest, _host(graph, inside, [first], tail), first)


def _rest(
    graph: ir.Graph, header: ir.Header, inside: set[str], shape: ir.Shape, edges: list[ir.Edge]
) -> ir.Graph:
    """What is not inside, behind an input of a shape."""
    nodes: dict[str, ir.Node] = {graph.input: ir.Input(shape=shape)}
    nodes |= {name: node for name, node in graph.nodes.items() if name not in inside}
    return ir.Graph(header=header, nodes=nodes, edges=tuple(edges))


def _host(graph: ir.Graph, kept: set[str], ends: list[str], tail: dict[str, ir.Node]) -> ir.Graph:
    """Nodes of a network with what follows their ends, up to an Output of the host's own."""
    names = [_fresh(graph, name) for name in (*tail, "sent")]
    nodes = {name: node for name, node in graph.nodes.items() if name in kept}
    nodes |= dict(zip(names, (*tail.values(), ir.Output()), strict=True))
    edges = [edge for edge in graph.edges if edge.source in kept and edge.target in kept]
    chain = [*(ir.Edge(end, names[0]) for end in ends), *chain_edges(names)]
    return ir.Graph(header=graph.header, nodes=nodes, edges=(*edges, *chain))


def _reached(graph: ir.Graph) -> Iterator[str]:
    """What the input reaches, up to populations, which are included."""
    ahead, seen = [graph.input], {graph.input}
    while ahead:
        name = ahead.pop()
        for edge in graph.outgoing(name):
            if edge.target not in seen:
                seen.add(edge.target)
                yield edge.target
                if not graph.nodes[edge.target].population:
                    ahead.append(edge.target)


def _ancestors(graph: ir.Graph, name: str) -> set[str]:
    found: set[str] = set()
    ahead = [name]
    while ahead:
        for edge in graph.incoming(ahead.pop()):
            if edge.source not in found:
                found.add(edge.source)
                ahead.append(edge.source)
    return found


def _listed(names: list[str]) -> str:
    return ", ".join(names)


def _fresh(graph: ir.Graph, name: str) -> str:
    while name in graph.nodes:
        name += "_"
    return name
