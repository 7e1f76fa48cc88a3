"""Random numbers for random models: continuous, or on a coarse grid where ties abound."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from neurorobust.data import Stimulus
from neurorobust.ir import Array, Edge, FixedInput, Model, Node, Output, Shape
from neurorobust.ir.ports import Readout


@dataclass(slots=True)
class Draws:
    """Draws numbers and decisions.

    Attributes:
        rng: The only source of randomness.
        avoid: Features (as in the support table) that must not occur.
        grid: Weights and inputs on multiples of 1/16, decays and thresholds so that every
            membrane is exact in binary: then membranes often equal the threshold, and any order of
            summation gives the same number.
    """

    rng: np.random.Generator
    avoid: Collection[str] = ()
    grid: bool = False

    def chance(self, probability: float, *features: str) -> bool:
        """Whether to use something, never if one of its features is to be avoided."""
        drawn = self.rng.random() < probability  # drawn in any case, to keep models comparable
        return drawn and not any(feature in self.avoid for feature in features)

    def whole(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return int(self.rng.integers(low, high + 1))

    def uniform(self, low: float, high: float, shape: Shape = ()) -> Array:
        """Numbers in an interval, on the grid if there is one."""
        values = self.rng.uniform(low, high, shape)
        return np.asarray(np.round(values * 16) / 16 if self.grid else values)

    def weights(self, shape: Shape) -> Array:
        """Weights under which a layer with inputs around 1/2 is neither silent nor saturated."""
        fan_in = int(np.prod(shape[1:]))
        values: Array = self.uniform(-1.2, 2.0, shape) / 2.0 ** round(np.log2(fan_in) / 2)
        return values

    def decay(self, shape: Shape) -> Array:
        """Factors in 0..1, with both ends."""
        if self.grid:
            return self.rng.choice([0.0, 0.5, 0.5, 1.0], shape)
        return np.where(self.rng.random(shape) < 0.1, 1.0, self.rng.uniform(0.3, 1.0, shape))

    def per_neuron(self, population: Shape) -> Shape:
        """The shape of a neuron parameter: one for all, one per channel, or one per neuron."""
        channels = (population[0], *(1,) * (len(population) - 1))
        return ((), channels, population)[self.whole(0, 2)]

    def readout(self, *, spiking: bool) -> Readout:
        """How scores are read; membranes have no first spike."""
        kinds: tuple[Readout, ...] = get_args(Readout)[: 5 if spiking else 4]
        allowed = [kind for kind in kinds if f"readout {kind}" not in self.avoid] or ["count"]
        return allowed[self.whole(0, len(allowed) - 1)]


@dataclass(slots=True)
class Wiring:
    """Nodes and edges in the making."""

    draws: Draws
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def add(self, node: Node, *sources: str) -> str:
        """Add a node behind its sources, now and then with delays; its name is kind and number."""
        name = f"{node.kind.lower()}{len(self.nodes)}"
        self.nodes[name] = node
        for source in sources:
            self.connect(source, name)
        return name

    def connect(self, source: str, target: str, *, least: int = 0) -> None:
        """An edge, with a delay of at least ``least`` steps."""
        delay = self.draws.whole(1, 3) if self.draws.chance(0.2, "edge delays") else 0
        self.edges.append(Edge(source, target, max(delay, least)))

    def finish(self, output: Output, source: str) -> None:
        """The Output, without delay: a delayed readout would see fewer steps of the network."""
        self.nodes["output"] = output
        self.edges.append(Edge(source, "output"))


def random_stimulus(rng: np.random.Generator, model: Model, samples: int = 3) -> Stimulus:
    """Values for a random model: constant or per step; integers for a Program, 1/16 steps else."""
    shape, steps = model.input_shape, model.header.steps
    given = 1 if model.header.coding == "direct" else steps
    node = model.nodes[model.input]
    size = (samples, given, *shape)
    if isinstance(node, FixedInput):
        # Most small, some up to the widest payload, a few at its ends or to be clipped.
        small = rng.integers(-2, 3, size)
        wide = rng.integers(node.low - 1, node.high + 2, size)
        ends = rng.choice([node.low, node.high], size)
        drawn = rng.random(size)
        steps_of_input = np.where(drawn < 0.6, small, np.where(drawn < 0.9, wide, ends))
        return Stimulus(node.offset + steps_of_input / node.scale, steps)
    values = rng.integers(-8, 33, size) / 16
    return Stimulus(np.where(rng.random(size) < 0.5, values, np.maximum(values, 0)), steps)
