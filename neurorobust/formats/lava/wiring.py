"""How the nodes of a model lie in Lava: between which populations, in which layers, how long late.

Every synapse takes one step on Lava and none here. A population is therefore ``layer`` steps
late. A way of ``delay`` steps between populations of layers a and b has to wait
``b - a - 1 + delay >= 0`` steps on Lava, and ``b - a + delay >= 0`` where no synapse is on it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from neurorobust import ir

SYNAPSES = (ir.Affine, ir.Conv2d, ir.FixedDense)
POPULATIONS = (ir.LIF, ir.LI, ir.FixedNeuron)


@dataclass(frozen=True, slots=True)
class Path:
    """From a population or the input to a node, perhaps through a Flatten."""

    source: str
    delay: int
    flattened: bool = False


@dataclass(frozen=True, slots=True)
class Wiring:
    """A model that fits Lava.

    Attributes:
        paths: The ways into every synapse, and those into every population that pass none.
        layers: Synapses between the source and each population; the input has 0.
        waits: Per node of ``paths`` and way: steps to wait besides the one of the synapse.
        chained: Whether nothing outlives a reset, so that samples may follow each other.
    """

    paths: dict[str, list[Path]]
    layers: dict[str, int]
    waits: dict[str, list[int]]
    chained: bool


def wire(model: ir.Model) -> Wiring:
    """Layers and waits of a model that passes ``limits.LIMITS``."""
    paths = entries(model)
    layers, _ = layers_of(model, paths)
    waits = {}
    for name, ways in paths.items():
        if isinstance(model.nodes[name], SYNAPSES):
            (edge,) = model.outgoing(name)
            arrival = edge.delay + layers[edge.target] - 1
        else:
            arrival = layers[name]
        waits[name] = [arrival - layers[way.source] + way.delay for way in ways]
    late = any(edge.delay for edge in model.edges) or any(
        node.delay.any() for _, node in model.of_kind(ir.FixedDelayDense)
    )
    return Wiring(paths, layers, waits, chained=not (model.recurrent or late))


def entries(model: ir.Model) -> dict[str, list[Path]]:
    """The ways into every synapse, and those into every population that pass none."""
    found = {}
    for name, node in model.nodes.items():
        ways = list(paths_into(model, name))
        if isinstance(node, SYNAPSES):
            found[name] = ways
        elif isinstance(node, POPULATIONS):
            direct = [way for way in ways if not isinstance(model.nodes[way.source], SYNAPSES)]
            if direct:
                found[name] = direct
    return found


def paths_into(model: ir.Model, name: str) -> Iterator[Path]:
    """All ways into a node, seen through Flatten."""
    for edge in model.incoming(name):
        if isinstance(model.nodes[edge.source], ir.Flatten):
            for path in paths_into(model, edge.source):
                yield replace(path, delay=path.delay + edge.delay, flattened=True)
        else:
            yield Path(edge.source, edge.delay)


def layers_of(
    model: ir.Model, paths: dict[str, list[Path]]
) -> tuple[dict[str, int], tuple[str, ...]]:
    """The smallest layers in which no edge has to act before its spikes, and what prevents them."""
    populations = [name for name in model.order if isinstance(model.nodes[name], POPULATIONS)]
    layers = dict.fromkeys([model.input, *populations], 0)
    hops: list[tuple[str, str, int]] = []
    for name, ways in paths.items():
        if isinstance(model.nodes[name], SYNAPSES):
            (edge,) = model.outgoing(name)
            hops += [(way.source, edge.target, 1 - way.delay - edge.delay) for way in ways]
        else:  # what is flattened is put in order by a synapse
            hops += [(way.source, name, way.flattened - way.delay) for way in ways]
    moved: list[str] = []
    for _ in range(len(layers) + 1):
        moved = []
        for source, target, steps in hops:
            if layers[target] < layers[source] + steps:
                layers[target] = layers[source] + steps
                moved.append(target)
        if not moved:
            break
    return layers, tuple(dict.fromkeys(moved))
