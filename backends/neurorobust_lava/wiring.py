"""How the nodes of a model lie in Lava: between which populations, in which layers, how long late.

Every synapse takes one step on Lava and none here. A population is therefore ``layer`` steps late,
and a way of ``delay`` steps between populations of layers a and b has to wait
``b - a - 1 + delay >= 0`` steps on Lava.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from neurorobust.errors import LowerError
from neurorobust.ir import (
    LI,
    LIF,
    Affine,
    Conv2d,
    FixedDense,
    FixedLIF,
    Flatten,
    Graph,
    Model,
    Node,
)
from neurorobust.ir.fixed import DECAY_ONE, STATE_LIMIT, STATE_SHIFT, FixedNeuron
from neurorobust.lower import fold_batch_norm, fold_gains, fold_preprocessing

MAX_DELAY = 62
LOW_INTEGER = -(STATE_LIMIT - 1)
LOW_FLOAT = -1e30
SYNAPSES = (Affine, Conv2d, FixedDense)
POPULATIONS = (LIF, LI, FixedNeuron)


@dataclass(frozen=True, slots=True)
class Path:
    """From a population or the input to a synapse or the output, perhaps through a Flatten."""

    source: str
    delay: int
    flattened: bool = False


@dataclass(frozen=True, slots=True)
class Wiring:
    """A model that fits Lava.

    Attributes:
        synapses: The ways into every synapse.
        layers: Synapses between the source and each population; the input has 0.
        waits: Per synapse and way: steps to wait besides the one of the synapse.
        chained: Whether nothing outlives a reset, so that samples may follow each other.
    """

    synapses: dict[str, list[Path]]
    layers: dict[str, int]
    waits: dict[str, list[int]]
    chained: bool


def wire(model: Model) -> Wiring:
    """Layers and waits of a model that passes ``LIMITS``."""
    synapses = {
        name: list(paths_into(model, name))
        for name, node in model.nodes.items()
        if isinstance(node, SYNAPSES)
    }
    layers, _ = _layers(model, synapses)
    waits = {}
    for name, paths in synapses.items():
        (edge,) = model.outgoing(name)
        behind = edge.delay + layers[edge.target] - 1
        waits[name] = [behind - layers[path.source] + path.delay for path in paths]
    chained = not model.recurrent and not any(edge.delay for edge in model.edges)
    return Wiring(synapses, layers, waits, chained)


def paths_into(model: Model, name: str) -> Iterator[Path]:
    """All ways into a node, seen through Flatten."""
    for edge in model.incoming(name):
        if isinstance(model.nodes[edge.source], Flatten):
            for path in paths_into(model, edge.source):
                yield replace(path, delay=path.delay + edge.delay, flattened=True)
        else:
            yield Path(edge.source, edge.delay)


def _layers(
    model: Model, synapses: dict[str, list[Path]]
) -> tuple[dict[str, int], tuple[str, ...]]:
    """The smallest layers in which no edge has to act before its spikes, and what prevents them."""
    populations = [name for name in model.order if isinstance(model.nodes[name], POPULATIONS)]
    layers = dict.fromkeys([model.input, *populations], 0)
    hops = [
        (path.source, edge.target, path.delay + edge.delay)
        for name, paths in synapses.items()
        for path in paths
        for edge in model.outgoing(name)
    ]
    moved: list[str] = []
    for _ in range(len(layers) + 1):
        moved = []
        for source, target, delay in hops:
            least = layers[source] + 1 - delay
            if layers[target] < least:
                layers[target] = least
                moved.append(target)
        if not moved:
            break
    return layers, tuple(dict.fromkeys(moved))


def _unwired(model: Model) -> list[str]:
    """Nodes whose wiring has no form."""
    found = []
    for name, node in model.nodes.items():
        sources = [model.nodes[path.source] for path in paths_into(model, name)]
        if isinstance(node, SYNAPSES):
            readers = [model.nodes[edge.target] for edge in model.outgoing(name)]
            single = len(readers) == 1 and isinstance(readers[0], POPULATIONS)
            fed = all(_emits(model, source) for source in sources)
            if not (single and fed):
                found.append(name)
        elif isinstance(node, POPULATIONS):
            if not all(isinstance(model.nodes[e.source], SYNAPSES) for e in model.incoming(name)):
                found.append(name)
        elif name == model.output and not all(isinstance(n, POPULATIONS) for n in sources):
            found.append(name)
    return found


def _emits(model: Model, node: Node) -> bool:
    return node is model.nodes[model.input] or isinstance(node, POPULATIONS)


def _short_loops(model: Model) -> list[str]:
    if _unwired(model):
        return []
    synapses = {n: list(paths_into(model, n)) for n, _ in _of(model, SYNAPSES)}
    return list(_layers(model, synapses)[1])


def _long_waits(model: Model) -> list[str]:
    if _unwired(model) or _short_loops(model):
        return []
    return [name for name, waits in wire(model).waits.items() if max(waits) > MAX_DELAY]


def _loud_starts(model: Model) -> list[str]:
    """Populations that a bias fires before their first step although they start far below."""
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
    if isinstance(node, FixedLIF):
        bias = node.bias_mant * 2.0 ** node.bias_exp.astype(np.int64)
        v, kept = np.asarray(float(LOW_INTEGER)), 1 - node.dv / DECAY_ONE
        limit = (node.vth.astype(np.int64) << STATE_SHIFT) - 1.0  # rounding moves v by less than 1
    elif isinstance(node, LIF):
        v, kept, bias, limit = np.asarray(LOW_FLOAT), node.beta, node.bias, node.threshold
    else:
        return False
    for _ in range(steps):
        v = kept * v + bias
        if (v > limit).any():
            return True
    return False


def _of(model: Model, kinds: tuple[type[Node], ...]) -> list[tuple[str, Node]]:
    return [(name, node) for name, node in model.nodes.items() if isinstance(node, kinds)]


Limit = Callable[[Model], list[str]]

LIMITS: dict[str, Limit] = {
    "on Lava a synapse lies between populations (or the input) and one population": _unwired,
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
