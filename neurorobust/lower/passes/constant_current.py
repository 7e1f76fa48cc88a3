"""Pass: the maps before the first population run on the host and enter as constant currents."""

from dataclasses import replace

import numpy as np

from neurorobust.ir import LI, LIF, Array, BatchNorm, Edge, Flatten, Graph, Input, Node
from neurorobust.lower.host_part import Coded, host_graph, reached
from neurorobust.lower.host_range import host_range
from neurorobust.lower.log import Log


def constant_current(graph: Graph, first: str, log: Log) -> Coded | None:
    """Cut before the neurons of a population.

    The host ends in what drives each neuron per step, gain and bias included, in membrane units.

    Args:
        graph: As trained.
        first: The only population that the input reaches.
        log: Takes notes and refusals.

    Returns:
        None if the cut is refused.
    """
    neuron = graph.nodes[first]
    assert isinstance(neuron, LIF | LI)  # noqa: S101  # the populations of a Graph
    maps = {name for name in reached(graph) if name != first}
    inside = maps | {graph.input}
    others = [edge for edge in graph.incoming(first) if edge.source not in inside]
    gain = neuron.gain_in * (neuron.gain_syn if isinstance(neuron, LIF) else 1.0)
    plain = "a constant current needs"
    faults = {
        f"{plain} an input that stays the same in every step, coding 'direct', not "
        f"{graph.header.coding!r}": graph.header.coding != "direct",
        f"{plain} a population without synaptic current": (
            isinstance(neuron, LIF) and neuron.alpha is not None
        ),
        f"{plain} a gain of 1 where other synapses lead to the population, too": (
            bool(others) and bool((gain != 1).any())
        ),
        f"{plain} maps that only the input feeds": any(
            edge.source not in inside for name in maps for edge in graph.incoming(name)
        ),
        f"{plain} maps that feed only this population": any(
            edge.target not in maps | {first} for name in inside for edge in graph.outgoing(name)
        ),
        f"{plain} edges without delay": any(
            edge.delay for name in inside for edge in graph.outgoing(name)
        ),
    }
    if broken := [why for why, found in faults.items() if found]:
        for why in broken:
            log.refuse(first, f"{why}; change that or take input_coding='graded' or 'host'")
        return None
    shape = graph.shapes[first]
    bias = np.broadcast_to(neuron.bias, shape)
    host = _drive(graph, maps, first, np.broadcast_to(gain, shape).ravel(), bias.ravel())
    largest = float(np.abs(host_range(host)).max())
    if not largest:
        log.refuse(first, "gets a current of 0 whatever the input; its weights are all 0")
        return None
    one, zero = np.ones(()), np.zeros(())
    driven: Node = replace(neuron, gain_in=one, bias=zero)
    if isinstance(neuron, LIF):
        driven = replace(neuron, gain_in=one, gain_syn=one, bias=zero)
    log.note(first, "its maps are computed on the host and enter as constant currents")
    header = replace(graph.header, bounds=(-largest, largest), levels=None, mean=(), std=())
    nodes: dict[str, Node] = {graph.input: Input(shape=shape)}
    nodes |= {name: node for name, node in graph.nodes.items() if name not in inside}
    nodes[first] = driven
    edges = [edge for edge in graph.edges if edge.source not in inside]
    rest = Graph(header=header, nodes=nodes, edges=(Edge(graph.input, first), *edges))
    return Coded(rest, host, "bias")


def _drive(graph: Graph, maps: set[str], first: str, gain: Array, bias: Array) -> Graph:
    """The maps before a population, and per neuron its gain and bias."""
    kept = {name: node for name, node in graph.nodes.items() if name in maps | {graph.input}}
    edges = [edge for edge in graph.edges if edge.source in kept and edge.target in kept]
    ends = [edge.source for edge in graph.incoming(first) if edge.source in kept]
    tail: dict[str, Node] = {}
    if len(graph.shapes[first]) > 1:
        tail["drive.flat"] = Flatten()
    if (gain != 1).any() or bias.any():
        # A variance of 1 with an eps that adds nothing to it: factor and offset, per neuron.
        one, zero = np.ones(len(gain)), np.zeros(len(gain))
        tail["drive"] = BatchNorm(mean=zero, var=one, scale=gain, shift=bias, eps=1e-300)
    return host_graph(graph, kept, edges, ends, tail)
