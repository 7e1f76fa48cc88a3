"""Pass: the gains of neurons move into the synapses that feed them.

Exact where a gain is a power of two; otherwise products round differently than before. A bias of
the synapse is scaled with its weights and moves into the neuron, where the target adds it.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from neurorobust.errors import Refusal
from neurorobust.ir import LI, LIF, Affine, Array, Conv1d, Conv2d, Graph, Input, Node, Shape
from neurorobust.lower.log import Log, graph_pass
from neurorobust.lower.neurons import gain_of, without_gain
from neurorobust.lower.refusals import instead


@graph_pass
def fold_gains(graph: Graph, log: Log) -> Graph:
    """The same network with gains of 1 and without biases in its synapses.

    Refused is a gain or bias without a place: a gain that differs within a channel, a synapse that
    feeds several populations, a delayed bias, a bias filtered by a synaptic current. An Input may
    feed neurons of gain 1 directly.
    """
    nodes: dict[str, Node] = dict(graph.nodes)
    for name, neuron in graph.nodes.items():
        if not isinstance(neuron, LIF | LI):
            continue
        gain = gain_of(neuron)
        undone = log.follows(graph, name)
        if found := list(_without_place(graph, name, neuron, gain, undone=undone)):
            for refusal in found:
                log.keep(refusal)
            for edge in graph.incoming(name):
                log.spare(edge.source)
        if found or undone:
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
        # A current is now in units of the membrane.
        held = {"i_init": neuron.gain_syn * neuron.i_init} if isinstance(neuron, LIF) else {}
        nodes[name] = without_gain(neuron, bias, **held)
    return graph.with_(nodes=nodes)


def _without_place(
    graph: Graph, name: str, neuron: LIF | LI, gain: Array, *, undone: bool
) -> Iterator[Refusal]:
    """What prevents folding; where what feeds the neurons has no form, only what is their own."""
    if np.ptp(_per_channel(gain, graph.shapes[name]), axis=1).any():
        why = "its gain differs within a channel, a shared weight cannot hold that"
        yield Refusal(name, "gain", why)
    if undone:
        return
    for edge in graph.incoming(name):
        synapse = graph.nodes[edge.source]
        if isinstance(synapse, Input) and not (gain != 1).any():
            continue
        if not isinstance(synapse, Affine | Conv1d | Conv2d):
            why = f"is fed by {synapse.kind} {edge.source!r}"
            yield Refusal(name, "synapse", why, instead(synapse))
            continue
        if len(graph.outgoing(edge.source)) > 1:
            why = "feeds several populations"
            yield Refusal(edge.source, "readers", why, "give each its own synapse")
        if synapse.bias is None or not synapse.bias.any():
            continue
        if edge.delay:
            why = "delays the bias of what feeds it"
            yield Refusal(name, "bias", why, "put the delay before that")
        if isinstance(neuron, LIF) and neuron.alpha is not None:
            why = "filters the bias of what feeds it through its current"
            yield Refusal(name, "bias", why, "move it to the neuron")


def _per_channel(gain: Array, shape: Shape) -> Array:
    """A gain as the values of every channel, shape (C, neurons of a channel)."""
    return np.asarray(np.broadcast_to(gain, shape).reshape(shape[0], -1), np.float64)
