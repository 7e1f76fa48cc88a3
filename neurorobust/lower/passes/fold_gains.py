"""Pass: the gains of neurons move into the synapses that feed them.

Exact where a gain is a power of two; otherwise products round differently than before. A bias of
the synapse is scaled with its weights and moves into the neuron, where the target adds it.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from neurorobust.ir import LI, LIF, Affine, Array, Conv1d, Conv2d, Edge, Graph, Input, Node, Shape
from neurorobust.lower.log import Log, graph_pass


@graph_pass
def fold_gains(graph: Graph, log: Log) -> Graph:
    """The same network with gains of 1 and without biases in its synapses.

    Refused is a gain or bias without a place: a gain that differs within a channel, a synapse that
    feeds several populations, a delayed bias, a bias filtered by a synaptic current. An Input may
    feed neurons of gain 1 directly.
    """
    nodes: dict[str, Node] = dict(graph.nodes)
    one = np.ones(())
    for name, neuron in graph.nodes.items():
        if not isinstance(neuron, LIF | LI):
            continue
        gain = neuron.gain_in * (neuron.gain_syn if isinstance(neuron, LIF) else one)
        if why := list(_without_place(graph, name, neuron, gain)):
            for node, reason in why:
                log.refuse(node, reason)
            for edge in graph.incoming(name):
                log.spare(edge.source)
            continue
        bias: Array = neuron.bias
        for edge in graph.incoming(name):
            synapse = graph.nodes[edge.source]
            if not isinstance(synapse, Affine | Conv1d | Conv2d):
                continue  # an Input
            factor = _per_channel(gain, graph.shapes[name])[:, 0]
            weight = synapse.weight * factor.reshape(-1, *[1] * (synapse.weight.ndim - 1))
            if synapse.bias is not None:
                axes = len(graph.shapes[name]) - 1
                bias = bias + (factor * synapse.bias).reshape(-1, *[1] * axes)
            nodes[edge.source] = replace(synapse, weight=weight, bias=None)
        if (gain != 1).any():
            log.note(name, "gain folded into its synapses")
        if isinstance(neuron, LIF):
            held = neuron.gain_syn * neuron.i_init  # the current is now in units of the membrane
            nodes[name] = replace(neuron, gain_in=one, gain_syn=one, bias=bias, i_init=held)
        else:
            nodes[name] = replace(neuron, gain_in=one, bias=bias)
    return graph.with_(nodes=nodes)


def _without_place(
    graph: Graph, name: str, neuron: LIF | LI, gain: Array
) -> Iterator[tuple[str, str]]:
    """Nodes that prevent folding, and why."""
    if np.ptp(_per_channel(gain, graph.shapes[name]), axis=1).any():
        yield name, "its gain differs within a channel, a shared weight cannot hold that"
    for edge in graph.incoming(name):
        synapse = graph.nodes[edge.source]
        if isinstance(synapse, Input) and not (gain != 1).any():
            continue
        if not isinstance(synapse, Affine | Conv1d | Conv2d):
            yield name, f"is fed by {synapse.kind} {edge.source!r}; put an Affine between"
            continue
        if len(graph.outgoing(edge.source)) > 1:
            yield edge.source, "feeds several populations; give each its own synapse"
        if synapse.bias is not None and synapse.bias.any():
            yield from _bias_without_place(name, edge, neuron)


def _bias_without_place(name: str, edge: Edge, neuron: LIF | LI) -> Iterator[tuple[str, str]]:
    if edge.delay:
        yield name, f"delays the bias of {edge.source!r}; put the delay before the synapse"
    if isinstance(neuron, LIF) and neuron.alpha is not None:
        yield (
            name,
            f"filters the bias of {edge.source!r} through its current; move it to the neuron",
        )


def _per_channel(gain: Array, shape: Shape) -> Array:
    """A gain as the values of every channel, shape (C, neurons of a channel)."""
    return np.asarray(np.broadcast_to(gain, shape).reshape(shape[0], -1), np.float64)
