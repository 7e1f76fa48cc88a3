"""What was counted: per layer, per population, and as a whole in the terms of NeuroBench."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from neurorobust.metrics.footprint import Footprint
from neurorobust.metrics.neurobench.operations import Activations, Connections, Operations


@dataclass(frozen=True, slots=True)
class LayerCounts:
    """A layer of weights, over all samples.

    Attributes:
        connections: Its weights.
        by_call: Operations as NeuroBench defines them.
        by_event: Operations as spikes cost them, poolings folded.
    """

    connections: Connections
    by_call: Operations = Operations()
    by_event: Operations = Operations()

    def __add__(self, other: "LayerCounts") -> "LayerCounts":
        return LayerCounts(
            self.connections, self.by_call + other.by_call, self.by_event + other.by_event
        )


@dataclass(frozen=True, slots=True)
class PopulationCounts:
    """A population of neurons, over all samples.

    Attributes:
        activations: Its outputs; None for an integrator, whose output is its membrane.
        membrane_updates: Changes of its membranes.
    """

    activations: Activations | None
    membrane_updates: int

    def __add__(self, other: "PopulationCounts") -> "PopulationCounts":
        mine, theirs = self.activations, other.activations
        return PopulationCounts(
            None if mine is None or theirs is None else mine + theirs,
            self.membrane_updates + other.membrane_updates,
        )


@dataclass(frozen=True, slots=True)
class Counts:
    """The metrics of NeuroBench for one network on some samples.

    Attributes:
        samples: How many were run.
        steps: Of each.
        batch: Samples of one call, on which NeuroBench's kind of an operation depends.
        footprint: Memory of the network.
        layers: By the name of their node; of a Program's host with ``host/`` before it.
        populations: The same for neurons.
    """

    samples: int
    steps: int
    batch: int
    footprint: Footprint
    layers: Mapping[str, LayerCounts]
    populations: Mapping[str, PopulationCounts]

    @property
    def activations(self) -> Activations:
        """Outputs of all spiking populations."""
        found = (one.activations for one in self.populations.values())
        return sum((one for one in found if one is not None), Activations())

    @property
    def connections(self) -> Connections:
        """Weights of all layers."""
        return sum((layer.connections for layer in self.layers.values()), Connections())

    @property
    def by_call(self) -> Operations:
        """Operations of all layers and samples, by NeuroBench's definition."""
        return _total(layer.by_call for layer in self.layers.values())

    @property
    def by_event(self) -> Operations:
        """Operations of all layers and samples, by the event."""
        return _total(layer.by_event for layer in self.layers.values())

    @property
    def membrane_updates(self) -> int:
        """Updates of all spiking populations and samples; integrators are not NeuroBench's."""
        spiking = (one for one in self.populations.values() if one.activations is not None)
        return sum(one.membrane_updates for one in spiking)

    def in_neurobench_terms(self) -> dict[str, Any]:
        """The results of ``Benchmark.run`` under its names and in its rounding.

        The footprint is that of the parameters, as of a model before its first call.
        """
        return {
            "Footprint": self.footprint.parameter_bytes,
            "ConnectionSparsity": round(self.connections.sparsity, 4),
            "ActivationSparsity": self.activations.sparsity,
            "SynapticOperations": _per_sample(self.by_call, self.samples),
            "MembraneUpdates": self.membrane_updates / self.samples,
        }

    def as_json(self) -> dict[str, Any]:
        """Everything, for files; whole counts over all samples, beside the terms of NeuroBench."""
        return {
            "samples": self.samples,
            "steps": self.steps,
            "batch": self.batch,
            "neurobench": self.in_neurobench_terms(),
            "by_event": _per_sample(self.by_event, self.samples),
            "footprint": {
                "parameters": self.footprint.parameters,
                "parameter_bits": self.footprint.parameter_bits,
                "parameter_bytes": self.footprint.parameter_bytes,
                "state_bits": self.footprint.state_bits,
                "state_bytes": self.footprint.state_bytes,
            },
            "layers": {name: _layer(layer) for name, layer in self.layers.items()},
            "populations": {name: _population(one) for name, one in self.populations.items()},
        }


def _total(parts: Iterable[Operations]) -> Operations:
    return sum(parts, Operations())


def _per_sample(done: Operations, samples: int) -> dict[str, float]:
    return {
        "Effective_MACs": done.macs / samples,
        "Effective_ACs": done.acs / samples,
        "Dense": done.dense / samples,
    }


def _operations(done: Operations) -> dict[str, int]:
    return {"macs": done.macs, "acs": done.acs, "dense": done.dense}


def _layer(layer: LayerCounts) -> dict[str, Any]:
    return {
        "weights": layer.connections.weights,
        "zeros": layer.connections.zeros,
        "by_call": _operations(layer.by_call),
        "by_event": _operations(layer.by_event),
    }


def _population(one: PopulationCounts) -> dict[str, Any]:
    found: dict[str, Any] = {"membrane_updates": one.membrane_updates}
    if one.activations is not None:
        found |= {
            "values": one.activations.values,
            "nonzero": one.activations.nonzero,
            "spikes": one.activations.spikes,
        }
    return found
