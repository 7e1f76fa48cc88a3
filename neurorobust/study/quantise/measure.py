"""One model on all samples, in batches that fit in memory; its spikes against the float model's.

A finished run is kept under a name made of everything that decides it, so it is found again only
where all of that is the same.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from neurorobust.backends import run, rung_of
from neurorobust.compare.spikes import SpikeComparison, compare_spikes
from neurorobust.data import encode
from neurorobust.errors import InvalidFile
from neurorobust.files import write_atomic
from neurorobust.ir import Array, Graph, Model, Program
from neurorobust.progress import Progress
from neurorobust.study import results
from neurorobust.study.lanes import Lane
from neurorobust.study.replay import replay
from neurorobust.study.sets import SampleSet

BACKEND = "torch"
BATCH = 100
"""Samples run at once, and samples whose spikes are compared."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A finished run.

    Attributes:
        outcomes: One row per sample and set; columns as in ``neurorobust.study.results``.
        spikes: Against the float model, node by node, on the first clean samples.
    """

    outcomes: pl.DataFrame
    spikes: tuple[SpikeComparison, ...]

    @classmethod
    def load(cls, path: Path) -> "Measured | None":
        """A finished run, if there is one.

        Raises:
            InvalidFile: if what is there is damaged.
        """
        if not path.exists():
            return None
        way_out, beside = "delete it, and the study runs it again", path.with_suffix(".json")
        outcomes = results.read_table(
            path, results.OUTCOME_COLUMNS, empty=results.OUTCOME_EMPTY, way_out=way_out
        )
        try:
            spikes = tuple(SpikeComparison(**node) for node in json.loads(beside.read_text()))
        except (OSError, ValueError, TypeError) as error:
            reason = f"is no comparison of spikes ({error}); delete it and the table beside it"
            raise InvalidFile(beside, reason) from error
        return cls(outcomes, spikes)

    def save(self, path: Path) -> None:
        """Keep it; the decisions come last and mark it."""
        listed = json.dumps([asdict(node) for node in self.spikes], indent=1)
        write_atomic(path.with_suffix(".json"), listed + "\n")
        results.write_table(path, self.outcomes.select(list(results.OUTCOME_COLUMNS)))


class Measuring:
    """Runs models on the same samples, or finds their finished runs.

    Args:
        graph: The float model that all variants are compared with.
        sets: Clean samples, then attacks.
        folder: Of finished runs.
    """

    def __init__(self, graph: Graph, sets: Sequence[SampleSet], folder: Path) -> None:
        self.graph, self.sets, self.reused = graph, sets, 0
        self._spikes: Mapping[str, Array] | None = None
        self._store = results.Store(
            folder,
            graph=graph.content_hash,
            data=sets[0].samples.digest,
            spikes=BATCH,
            sets=[[shown.key.set, len(shown)] for shown in sets],
        )

    def run(self, model: Graph | Program, progress: Progress) -> Measured:
        """Decisions on every set, and spikes against the float model on the first clean samples."""
        path = self._store.path(model=model.content_hash)
        if (kept := Measured.load(path)) is not None:
            self.reused += 1
            return kept
        if self._spikes is None:
            self._spikes = spikes_of(self.graph, self.sets[0])
        found = measure(model, self.graph.order, self.sets, self._spikes, progress)
        found.save(path)
        return found


def measure(
    model: Graph | Program,
    order: Sequence[str],
    sets: Sequence[SampleSet],
    wanted: Mapping[str, Array],
    progress: Progress,
) -> Measured:
    """Run a model on every set, the clean one first.

    Args:
        model: The float model or a variant of it.
        order: Nodes of the float model in the order of execution.
        sets: Clean samples, then attacks.
        wanted: Spikes of the float model on the first clean samples, see ``spikes_of``.
        progress: Called as ``(what, done, total)``.
    """
    graph, program = (None, model) if isinstance(model, Program) else (model, None)
    pieces = [piece for shown in sets for piece in shown.pieces(BATCH)]
    lane = Lane(BACKEND, rung_of(model))
    outcomes = replay(graph, program, pieces, [lane], progress=progress).outcomes
    found = spikes_of(model, sets[0])
    common = [name for name in order if name in wanted and name in found]
    spikes = compare_spikes(
        {name: found[name] for name in common},
        {name: wanted[name] for name in common},
        order=order,
        samples=[int(sample) for sample in sets[0].samples.sample[:BATCH]],
    )
    return Measured(outcomes, spikes)


def spikes_of(model: Model, shown: SampleSet) -> Mapping[str, Array]:
    """Spikes (B, T, ...) of every spiking node on the first samples of a set."""
    stimulus = encode(model, shown.samples.head(BATCH).values)
    return run(model, stimulus, backend=BACKEND, record=["spikes"]).spikes
