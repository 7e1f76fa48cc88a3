"""Running a network and counting what NeuroBench counts."""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

from neurorobust.backends import RunResult, run
from neurorobust.data import Stimulus
from neurorobust.data.stimulus import encode
from neurorobust.engine.host import sent
from neurorobust.errors import InvalidInput
from neurorobust.ir import LI, LIF, Array, FixedDense, FixedNeuron, Model, Program
from neurorobust.metrics.footprint import footprint
from neurorobust.metrics.neurobench import operations
from neurorobust.metrics.neurobench.counts import Counts, LayerCounts, PopulationCounts
from neurorobust.metrics.neurobench.signals import Signal, arriving
from neurorobust.metrics.synapses import FanOut, Synapse, fan_out
from neurorobust.progress import Progress

BACKEND = "torch"
BATCH = 32
HOST = "host/"
"""Before the names of the nodes of a Program's host."""

C = TypeVar("C", LayerCounts, PopulationCounts)


def count(
    model: Model,
    samples: Array,
    *,
    batch: int = BATCH,
    seed: int = 0,
    item_bytes: int | None = None,
    progress: Progress | None = None,
) -> Counts:
    """Run samples in double precision and count.

    Args:
        model: A Graph or a Program.
        samples: (B, ...), or (B, T, ...) where the coding is ``events``.
        batch: Samples of one call; NeuroBench takes all operations of a call as MACs if one of its
            values is no spike.
        seed: Of the spikes that a Bernoulli coding draws.
        item_bytes: Of every number of a Graph in the footprint; None takes the arrays' types.
        progress: Called with samples done and samples in all.

    Raises:
        InvalidInput: for samples that the model cannot take, or none, or a batch below 1.
        Unsupported: for a network in which operations cannot be attributed to neurons.
    """
    if batch < 1:
        raise InvalidInput(f"batch is {batch} samples; a call takes at least 1")
    stimulus = encode(model, samples, rng=np.random.default_rng(seed))
    if not len(stimulus) or not stimulus.steps:
        msg = f"samples have shape {samples.shape}; give at least one sample of at least one step"
        raise InvalidInput(msg)
    host = model.host if isinstance(model, Program) else None
    parts = {"": model.with_(host=None)} if isinstance(model, Program) else {"": model}
    if host is not None:
        parts = {HOST: host, **parts}
    fans = {prefix: _fans(part) for prefix, part in parts.items()}
    layers: dict[str, LayerCounts] = {}
    populations: dict[str, PopulationCounts] = {}
    for start in range(0, len(stimulus), batch):
        shown = dict.fromkeys(parts, stimulus[start : start + batch])
        if host is not None:
            shown[""] = sent(host, model.shapes[model.input], shown[HOST])
        for prefix, part in parts.items():
            ran = run(part, shown[prefix], backend=BACKEND, record=("spikes", "membrane"))
            for name, layer in _layers(part, shown[prefix], ran, fans[prefix]):
                _add(layers, prefix + name, layer)
            for name, one in _populations(part, ran):
                _add(populations, prefix + name, one)
        if progress is not None:
            progress("samples", min(start + batch, len(stimulus)), len(stimulus))
    ordered = [prefix + name for prefix, part in parts.items() for name in part.order]
    return Counts(
        samples=len(stimulus),
        steps=stimulus.steps,
        batch=batch,
        footprint=footprint(model, item_bytes=item_bytes),
        layers={name: layers[name] for name in ordered if name in layers},
        populations={name: populations[name] for name in ordered if name in populations},
    )


def _fans(model: Model) -> Mapping[str, tuple[FanOut, ...]]:
    return {
        name: fan_out(node, model.shapes[model.incoming(name)[0].source])
        for name, node in model.nodes.items()
        if isinstance(node, Synapse)
    }


def _layers(
    model: Model, stimulus: Stimulus, ran: RunResult, fans: Mapping[str, tuple[FanOut, ...]]
) -> list[tuple[str, LayerCounts]]:
    found = []
    for name, signal in arriving(model, stimulus, ran):
        node = model.nodes[name]
        assert isinstance(node, Synapse)  # noqa: S101  # nothing else takes weights
        events, graded = _as_the_layer_takes(node, signal)
        counted = LayerCounts(
            operations.connections(node),
            operations.operations_by_call(signal.value, fans[name]),
            operations.operations_by_event(events, graded, fans[name]),
        )
        found.append((name, counted))
    return found


def _as_the_layer_takes(node: Synapse, signal: Signal) -> tuple[Array | None, Array | None]:
    """Without messages, anything but 0 is one spike to a layer of integers."""
    if isinstance(node, FixedDense) and not node.message_bits:
        return (signal.value != 0).astype(np.int64), None
    return signal.events, signal.graded


def _populations(model: Model, ran: RunResult) -> list[tuple[str, PopulationCounts]]:
    found = []
    for name, node in model.nodes.items():
        if isinstance(node, LIF | LI | FixedNeuron):
            spikes = ran.spikes.get(name)
            updates = operations.membrane_updates(
                operations.after_reset(node, ran.membrane[name], spikes)
            )
            counted = None if spikes is None else operations.activations(spikes)
            found.append((name, PopulationCounts(counted, updates)))
    return found


def _add(found: dict[str, C], name: str, more: C) -> None:
    found[name] = found[name] + more if name in found else more
