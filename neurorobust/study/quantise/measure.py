"""One model on all samples, in batches that fit in memory; its spikes against the float model's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from neurorobust.backends import Rung, get_backend
from neurorobust.data import encode
from neurorobust.ir import Array, Graph, Model, Program
from neurorobust.metrics import SpikeComparison, compare_spikes
from neurorobust.progress import Progress
from neurorobust.study.lanes import Lane
from neurorobust.study.replay import Batch, replay

BACKEND = "torch"
BATCH = 100
"""Samples run at once, and samples whose spikes are compared."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A finished run.

    Attributes:
        outcomes: One row per sample and set; columns as in ``neurorobust.study.transfer``.
        spikes: Against the float model, node by node, on the first clean samples.
    """

    outcomes: pl.DataFrame
    spikes: tuple[SpikeComparison, ...]


def rung_of(model: Model) -> Rung:
    """A Program runs on ``quantised``, a Graph on ``float``."""
    return "quantised" if isinstance(model, Program) else "float"


def measure(
    model: Graph | Program,
    order: Sequence[str],
    batches: Sequence[Batch],
    wanted: Mapping[str, Array],
    progress: Progress,
) -> Measured:
    """Run a model on every set, the clean one first.

    Args:
        model: The float model or a variant of it.
        order: Nodes of the float model in the order of execution.
        batches: Clean samples and attacks.
        wanted: Spikes of the float model on the first clean samples, see ``spikes_of``.
        progress: Called as ``(what, done, total)``.
    """
    graph, program = (None, model) if isinstance(model, Program) else (model, None)
    pieces = [piece for batch in batches for piece in _pieces(batch)]
    lane = Lane(BACKEND, rung_of(model))
    outcomes = replay(graph, program, pieces, [lane], progress=progress).outcomes
    found = spikes_of(model, batches[0])
    common = [name for name in order if name in wanted and name in found]
    spikes = compare_spikes(
        {name: found[name] for name in common},
        {name: wanted[name] for name in common},
        order=order,
        samples=[int(sample) for sample in batches[0].head(BATCH).sample],
    )
    return Measured(outcomes, spikes)


def spikes_of(model: Model, batch: Batch) -> Mapping[str, Array]:
    """Spikes (B, T, ...) of every spiking node on the first samples of a batch."""
    executable = get_backend(BACKEND).compile(model, rung_of(model))
    return executable.run(encode(model, batch.head(BATCH).values), ["spikes"]).spikes


def _pieces(batch: Batch) -> Iterator[Batch]:
    for start in range(0, len(batch.label), BATCH):
        part = slice(start, start + BATCH)
        values, label, sample = batch.values[part], batch.label[part], batch.sample[part]
        yield replace(batch, values=values, label=label, sample=sample)
