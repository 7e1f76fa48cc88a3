"""Pass: the gains of neurons move into the synapses that feed them.

Exact where a gain is a power of two; otherwise products round differently than before. A bias of
the synapse is scaled with its weights and moves into the neuron, where the target adds it.
"""

from dataclasses import replace

import numpy as np

from neurorobust.errors import LowerError
from neurorobust.ir import LI, LIF, Affine, Array, Conv1d, Conv2d, Graph, Node


def fold_gains(graph: Graph) -> Graph:
    """The same network with gains of 1 and without biases in its synapses.

    Raises:
        LowerError: if a gain or bias has no place: a gain that differs within a channel, a synapse
            that feeds several populations, a delayed bias, a bias filtered by a synaptic current.
    """
    nodes: dict[str, Node] = dict(graph.nodes)
    one = np.ones(())
    for name, neuron in graph.nodes.items():
        if not isinstance(neuron, LIF | LI):
            continue
        gain = neuron.gain_in * (neuron.gain_syn if isinstance(neuron, LIF) else one)
        bias: Array = neuron.bias
        for edge in graph.incoming(name):
            synapse = graph.nodes[edge.source]
            if not isinstance(synapse, Affine | Conv1d | Conv2d):
                msg = f"{name}: is fed by {synapse.kind} {edge.source!r}; put an Affine between"
                raise LowerError(msg)
            if len(graph.outgoing(edge.source)) > 1:
                msg = f"{edge.source}: feeds several populations; give each its own synapse"
                raise LowerError(msg)
            factor = gain_per_output(gain, graph.shapes[name], name)
            weight = synapse.weight * factor.reshape(-1, *[1] * (synapse.weight.ndim - 1))
            if synapse.bias is not None:
                _require_plain(name, edge.source, edge.delay, neuron)
                axes = len(graph.shapes[name]) - 1
                bias = bias + (factor * synapse.bias).reshape(-1, *[1] * axes)
            nodes[edge.source] = replace(synapse, weight=weight, bias=None)
        if isinstance(neuron, LIF):
            held = neuron.gain_syn * neuron.i_init  # the current is now in units of the membrane
            nodes[name] = replace(neuron, gain_in=one, gain_syn=one, bias=bias, i_init=held)
        else:
            nodes[name] = replace(neuron, gain_in=one, bias=bias)
    return graph.with_(nodes=nodes)


def gain_per_output(gain: Array, shape: tuple[int, ...], name: str) -> Array:
    """A gain as one number per output channel, shape (C,).

    Raises:
        LowerError: if it differs within a channel.
    """
    full = np.broadcast_to(gain, shape).reshape(shape[0], -1)
    if np.ptp(full, axis=1).any():
        msg = f"{name}: its gain differs within a channel, a shared weight cannot hold that"
        raise LowerError(msg)
    return np.array(full[:, 0], dtype=np.float64)


def _require_plain(name: str, synapse: str, delay: int, neuron: LIF | LI) -> None:
    if delay:
        msg = f"{name}: delays the bias of {synapse!r}; put the delay before the synapse"
        raise LowerError(msg)
    if isinstance(neuron, LIF) and neuron.alpha is not None:
        msg = f"{name}: filters the bias of {synapse!r} through its current; move it to the neuron"
        raise LowerError(msg)
