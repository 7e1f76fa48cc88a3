"""What a model may not ask of Lava: features, and sentences with the nodes that break them."""

from collections.abc import Callable

import numpy as np

from neurorobust.backends import Capabilities, Deviation, Support
from neurorobust.errors import LowerError
from neurorobust.formats.lava.mapping import LOW_INTEGER, MAX_DELAY, quiet_start
from neurorobust.formats.lava.wiring import (
    POPULATIONS,
    SYNAPSES,
    entries,
    layers_of,
    paths_into,
    wire,
)
from neurorobust.ir import LIF, Array, FixedLIF, FixedNeuron, FixedTernaryLIF, Graph, Model, Node
from neurorobust.ir.fixed import DECAY_ONE
from neurorobust.ir.thresholds import thresholds
from neurorobust.lower.passes import fold_batch_norm, fold_gains, fold_preprocessing

_LAW = "Lava's LIF has no such form"
GAPS = {
    "Conv1d": "Lava convolves images only; use a Conv2d of height 1",
    "Pool2d avg or sum": "Lava has no pooling process; use a strided convolution",
    "Pool2d max": "Lava has no maximum",
    "LIF compare >=": "Lava fires above the threshold only",
    "LIF hard reset to other than 0": "Lava resets to 0",
    "LIF hard reset in the next step": _LAW,
    "LIF soft reset": _LAW,
    "LIF soft reset in the next step": _LAW,
    "LIF no reset": _LAW,
    "LIF initial state": "samples follow each other in one run and start from 0",
    "LIF lower bound (v_min)": _LAW,
    "LIF several spikes per step": "a Lava neuron sends one spike per step",
    "LIF refractory steps": "Lava's refractory process has no integer form, and no reset",
    "LI initial state": "samples follow each other in one run and start from 0",
}
ROUNDING = Deviation(
    "rounding",
    "Lava computes v (1 - (1 - beta)) + u + bias, in double precision, with batch norm, "
    "preprocessing and gains folded into weights and biases",
)

Limit = Callable[[Model], list[str]]


def _unwired(model: Model) -> list[str]:
    found = []
    for name, node in model.nodes.items():
        paths = list(paths_into(model, name))
        sources = [model.nodes[path.source] for path in paths]
        if isinstance(node, SYNAPSES):
            readers = [model.nodes[edge.target] for edge in model.outgoing(name)]
            good = len(readers) == 1 and isinstance(readers[0], POPULATIONS)
            good = good and all(_emits(model, source) for source in sources)
        elif isinstance(node, POPULATIONS):
            good = all(
                (isinstance(source, SYNAPSES) and not path.flattened) or _emits(model, source)
                for path, source in zip(paths, sources, strict=True)
            )
        else:
            good = name != model.output or all(isinstance(s, POPULATIONS) for s in sources)
        if not good:
            found.append(name)
    return found


def _emits(model: Model, node: Node) -> bool:
    """Whether a node sends on Lava what it sends here; an integrator keeps its membrane."""
    return node is model.nodes[model.input] or (isinstance(node, POPULATIONS) and node.spiking)


def _short_loops(model: Model) -> list[str]:
    return [] if _unwired(model) else list(layers_of(model, entries(model))[1])


def _long_waits(model: Model) -> list[str]:
    if _unwired(model) or _short_loops(model):
        return []
    return [name for name, waits in wire(model).waits.items() if max(waits) > MAX_DELAY]


def _loud_starts(model: Model) -> list[str]:
    """Populations that a bias fires before their first step, wherever they wait for it."""
    if _unwired(model) or _short_loops(model):
        return []
    wiring = wire(model)
    if wiring.chained:
        return []
    return [
        name
        for name, layer in wiring.layers.items()
        if model.nodes[name].spiking and _fires_alone(model.nodes[name], layer)
    ]


def _fires_alone(node: Node, steps: int) -> bool:
    starts = [quiet_start(node)]
    if isinstance(node, FixedNeuron) and node.reset_interval:
        starts.append(0)  # a reset may come while it waits
    return any(_fires_from(node, start, steps) for start in starts)


def _fires_from(node: Node, start: Array | float, steps: int) -> bool:
    """Whether a population without input crosses a threshold in its first steps."""
    v = np.asarray(start)
    for _ in range(steps):
        if isinstance(node, LIF):
            v = node.beta * v + node.bias
            fired = v > node.threshold
        else:
            assert isinstance(node, FixedLIF | FixedTernaryLIF)  # noqa: S101  # all that spike
            v = _integrated(node, v)
            *low, high = thresholds(node)
            fired = v > high
            if low:
                fired |= v < low[0]
        if fired.any():
            return True
    return False


def _integrated(node: FixedNeuron, v: Array) -> Array:
    exponent = node.bias_exp.astype(np.int64)
    mantissa = node.bias_mant.astype(np.int64)
    bias = np.where(exponent >= 0, mantissa << exponent.clip(0), mantissa >> (-exponent).clip(0))
    kept = v * (DECAY_ONE - node.dv.astype(np.int64))
    decayed = np.sign(kept) * (np.abs(kept) // DECAY_ONE)
    return np.asarray((decayed + bias).clip(LOW_INTEGER, -LOW_INTEGER))


LIMITS: dict[str, Limit] = {
    "on Lava a synapse lies between populations that spike (or the input) and one population": (
        _unwired
    ),
    "on Lava every synapse takes a step; a loop needs as many steps of delay as synapses": (
        _short_loops
    ),
    f"Lava delays by at most {MAX_DELAY} steps": _long_waits,
    "its bias alone fires it before its first input, which delays and loops would remember": (
        _loud_starts
    ),
}
"""What a Program may not ask for: a sentence, and the nodes that do."""


def prepared(graph: Graph) -> Graph:
    """A Graph with everything folded that Lava has no process for.

    Raises:
        LowerError: if something cannot be folded.
    """
    return fold_gains(fold_preprocessing(fold_batch_norm(graph)))


def _unfolded(model: Model) -> list[str]:
    try:
        prepared(_as_graph(model))
    except LowerError as error:
        return [str(error)]
    return []


def _when_prepared(find: Limit) -> Limit:
    def found(model: Model) -> list[str]:
        return [] if _unfolded(model) else find(prepared(_as_graph(model)))

    return found


def _as_graph(model: Model) -> Graph:
    assert isinstance(model, Graph)  # noqa: S101  # the rung float runs no other model
    return model


FLOAT_LIMITS: dict[str, Limit] = {
    "batch norm, preprocessing, gains and biases must fold into synapses and populations": (
        _unfolded
    ),
    **{text: _when_prepared(find) for text, find in LIMITS.items()},
}
"""The same for a Graph."""

CAPABILITIES = Capabilities(
    rungs={
        "float": Support(gaps=GAPS, limits=FLOAT_LIMITS, deviations=(ROUNDING,)),
        "quantised": Support(limits=LIMITS),
    },
    missing_rungs={"device": "silicon needs access to a Loihi board"},
)
