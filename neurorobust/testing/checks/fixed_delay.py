"""Delays of single synapses, in networks small enough to follow by hand."""

from typing import Any

import numpy as np

from neurorobust.data import Stimulus
from neurorobust.ir import Edge, FixedDelayDense, Node, Output, Program
from neurorobust.testing import networks
from neurorobust.testing.outcome import check
from neurorobust.testing.trial import Trial


def _delayed(weight: Any, delay: Any, **fields: Any) -> FixedDelayDense:
    return FixedDelayDense(weight=np.array(weight), delay=np.array(delay), **fields)


@check("synaptic delay/each synapse waits its own time", "quantised")
def own_time(trial: Trial) -> None:
    """A spike arrives 0, 1, 3 and 62 steps later; behind the end it never does."""
    steps = 64
    model = networks.synapse(_delayed([[2], [4], [6], [8]], [[0], [1], [3], [62]]), steps)
    arrived = [64 * w * networks.impulse(steps, 1, d) for w, d in ((2, 0), (4, 1), (6, 3), (8, 62))]
    trial.expect(
        model,
        networks.stimulus(networks.impulse(steps)),
        membrane={"neuron": networks.trains(*arrived).astype(np.int64)},
        scores=np.zeros((1, 4)),
    )
    trial.expect(
        model,
        Stimulus(networks.impulse(63).reshape(1, 63, 1), 63),
        scores=np.array([[0.0, 0.0, 0.0, 512.0]]),
    )


@check("synaptic delay/spikes of different delays meet", "quantised")
def meet(trial: Trial) -> None:
    """What left at different times and arrives together adds up."""
    model = networks.synapse(_delayed([[2, 4]], [[2, 0]]), 4)
    trial.expect(
        model,
        networks.stimulus([1, 1, 0, 0], [0, 0, 1, 0]),
        membrane={"neuron": networks.trains([0, 0, 64 * 6, 64 * 2])},
        scores=np.array([[128.0]]),
    )


@check("synaptic delay/a negative exponent floors each delay by itself", "quantised")
def floor(trial: Trial) -> None:
    """-2 and -2 of one delay make ``-4 / 8 -> -1``; of two delays -1 each, which is -2."""
    weight = [[-2, -2], [-2, -2]]
    model = networks.synapse(_delayed(weight, [[1, 1], [0, 1]], weight_exp=-3), 2)
    trial.expect(
        model,
        networks.stimulus([1, 0], [1, 0]),
        membrane={"neuron": networks.trains([0, -64], [-64, -64])},
        scores=np.array([[-64.0, -64.0]]),
    )
    both = networks.synapse(_delayed(weight, [[0, 0], [0, 1]], weight_exp=-3), 2)
    trial.expect(
        both,
        networks.stimulus([0, 1], [1, 0]),
        membrane={"neuron": networks.trains([-64, -64], [0, -128])},
        scores=np.array([[-64.0, -128.0]]),
    )


@check("synaptic delay/a constant input arrives when its delay is over", "quantised")
def constant(trial: Trial) -> None:
    """Values given once for all steps still wait: nothing before the delay."""
    model = networks.synapse(_delayed([[2], [4]], [[0], [2]], message_bits=8), 4)
    trial.expect(
        model,
        Stimulus(np.full((1, 1, 1), 3.0), 4),
        membrane={"neuron": networks.trains([384] * 4, [0, 0, 768, 768])},
        scores=np.array([[384.0, 768.0]]),
    )


@check("synaptic delay/a loop of a delayed synapse", "quantised")
def loop(trial: Trial) -> None:
    """A delay of 2 in the synapse and 1 on its edge bring a spike back every third step."""
    nodes: dict[str, Node] = {
        "input": networks.spike_input(1),
        "fc": _delayed([[20]], [[1]]),
        "neuron": networks.fixed_lif(dv=4096, vth=10),
        "loop": _delayed([[20]], [[2]]),
        "output": Output(),
    }
    edges = (
        Edge("input", "fc"),
        Edge("fc", "neuron"),
        Edge("neuron", "loop", 1),
        Edge("loop", "neuron"),
        Edge("neuron", "output"),
    )
    trial.expect(
        Program(header=networks.header(8), nodes=nodes, edges=edges),
        networks.stimulus(networks.impulse(8)),
        spikes={"neuron": networks.trains([0, 1, 0, 0, 1, 0, 0, 1])},
        scores=np.array([[3.0]]),
    )
