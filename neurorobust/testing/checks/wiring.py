"""Edges: sums, delays and loops, in networks small enough to follow by hand."""

from itertools import pairwise

import numpy as np

from neurorobust.ir import Affine, Edge, FixedDense, Graph, Input, Model, Node, Output, Program
from neurorobust.testing.networks import fixed_lif, header, lif, spike_input, stimulus, trains
from neurorobust.testing.outcome import check
from neurorobust.testing.trial import Trial


def _network(trial: Trial, steps: int, edges: tuple[Edge, ...], **weights: float) -> Model:
    """Input, synapses, neurons without memory: ``a`` and ``b`` of threshold 1/2, or 32 vth = 10."""
    floats = trial.rung == "float"
    neuron = lif(beta=0.0, threshold=0.5) if floats else fixed_lif(dv=4096, vth=10)
    names = {end for edge in edges for end in (edge.source, edge.target)}
    nodes: dict[str, Node] = {"input": Input(shape=(1,)) if floats else spike_input(1)}
    nodes |= dict.fromkeys(sorted(names - {"input", "output"} - set(weights)), neuron)
    for name, weight in weights.items():
        given = np.array([[weight if floats else round(20 * weight)]])
        nodes[name] = Affine(weight=given) if floats else FixedDense(weight=given)
    nodes["output"] = Output(readout="count")
    kind = Graph if floats else Program
    return kind(header=header(steps), nodes=nodes, edges=edges)


@check("wiring/a synapse acts in the step of its spikes", "float", "quantised")
def no_latency(trial: Trial) -> None:
    """Without delays a spike crosses any number of layers within its step."""
    edges = _chain("input", "w1", "a", "w2", "b", "w3", "c", "output")
    model = _network(trial, 3, edges, w1=1, w2=1, w3=1)
    train = trains([0, 1, 0])
    trial.expect(
        model,
        stimulus([0, 1, 0]),
        spikes={"a": train, "b": train, "c": train},
        scores=np.array([[1.0]]),
    )


@check("wiring/a delay of d steps shifts by d", "float", "quantised")
def delays(trial: Trial) -> None:
    """Spikes arrive ``delay`` steps later, zeros before; delays along a path add up."""
    for before, behind in ((1, 0), (0, 1), (2, 3), (0, 7)):
        edges = (
            *_chain("input", "w1", "a"),
            Edge("a", "w2", before),
            Edge("w2", "b", behind),
            *_chain("b", "output"),
        )
        x = np.array([1, 0, 1, 1, 0, 0, 0, 0, 0, 0])
        shifted = np.concatenate([np.zeros(before + behind), x])[: len(x)]
        with trial.optional():
            trial.expect(
                _network(trial, len(x), edges, w1=1, w2=1),
                stimulus(x),
                spikes={"a": trains(x), "b": trains(shifted)},
                scores=np.array([[shifted.sum()]]),
            )


@check("wiring/several edges add up", "float", "quantised")
def edges_add(trial: Trial) -> None:
    """The input of a node is the sum over its edges, each with its own delay."""
    edges = (
        *_chain("input", "w1", "a", "output"),
        Edge("input", "w2"),
        Edge("w2", "a", 1),
        Edge("input", "w3"),
        Edge("w3", "a", 2),
    )
    # 0.4 now, 0.4 one step later, -0.4 two steps later: only two in a row reach above 1/2.
    trial.expect(
        _network(trial, 6, edges, w1=0.4, w2=0.4, w3=-0.4),
        stimulus([1, 1, 1, 0, 1, 1]),
        spikes={"a": trains([0, 1, 0, 0, 0, 1])},
    )


@check("wiring/a loop carries a spike around", "float", "quantised")
def loop(trial: Trial) -> None:
    """One spike on a loop with a delay of d comes back every d steps, wherever the delay sits."""
    for before, behind in ((3, 0), (0, 3), (1, 2)):
        edges = (
            *_chain("input", "w1", "a", "output"),
            Edge("a", "w2", before),
            Edge("w2", "a", behind),
        )
        with trial.optional():
            trial.expect(
                _network(trial, 8, edges, w1=1, w2=1),
                stimulus([0, 1, 0, 0, 0, 0, 0, 0]),
                spikes={"a": trains([0, 1, 0, 0, 1, 0, 0, 1])},
            )


@check("wiring/two populations excite each other", "float", "quantised")
def mutual(trial: Trial) -> None:
    """An edge back to an earlier population takes its latest completed step."""
    edges = (*_chain("input", "w1", "a", "w2", "b", "output"), Edge("b", "w3"), Edge("w3", "a", 2))
    train = trains([1, 0, 1, 0, 1, 0])
    trial.expect(
        _network(trial, 6, edges, w1=1, w2=1, w3=1),
        stimulus([1, 0, 0, 0, 0, 0]),
        spikes={"a": train, "b": train},
    )


@check("wiring/bias of a recurrent layer at the start", "float")
def recurrent_bias(trial: Trial) -> None:
    """A delay in front of the weights lets their bias act from step 0; behind them, from step 1."""
    for before, membrane in ((1, (0.25, 0.75, 0.75)), (0, (0.0, 0.25, 0.75))):
        graph = Graph(
            header=header(3),
            nodes={
                "input": Input(shape=(1,)),
                "fc": Affine(weight=np.ones((1, 1))),
                "neuron": lif(beta=0.0, threshold=0.125),
                "loop": Affine(weight=np.array([[0.5]]), bias=np.array([0.25])),
                "output": Output(),
            },
            edges=(
                *_chain("input", "fc", "neuron", "output"),
                Edge("neuron", "loop", before),
                Edge("loop", "neuron", 1 - before),
            ),
        )
        with trial.optional():
            trial.expect(
                graph,
                stimulus([0, 0, 0]),
                spikes={"neuron": trains([h > 0.125 for h in membrane])},
                membrane={"neuron": trains(membrane)},
            )


def _chain(*names: str) -> tuple[Edge, ...]:
    return tuple(Edge(a, b) for a, b in pairwise(names))
