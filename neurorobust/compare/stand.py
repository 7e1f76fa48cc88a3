"""Two sides on the same input: run, compare, and hold either against the law of a Graph."""

from dataclasses import dataclass, field

import numpy as np

from neurorobust.compare.contrasts import Comparison, Levels, compare, contrast, tolerance_of
from neurorobust.compare.law import NotReplayableError, Replay
from neurorobust.compare.sides import Matching, Pair, Recording, Side, match
from neurorobust.data import Stimulus
from neurorobust.errors import InvalidInput
from neurorobust.ir import LI, Array, Graph, thresholds

_PATTERN = 6
"""So many exact ties that all fall otherwise are no accident."""


@dataclass(slots=True, eq=False)
class Stand:
    """Both sides, and what was learnt about them from the first run.

    Attributes:
        a: One side.
        b: The other.
        ulps: See ``tolerance_of``.
        matching: Which layer is which.
        ruled: Names, on A, of layers that decide ties by another rule.
    """

    a: Side
    b: Side
    ulps: float
    matching: Matching = field(default_factory=lambda: Matching((), (), ()))
    ruled: set[str] = field(default_factory=set)

    @property
    def mixed(self) -> bool:
        """Whether one side computes in integers and the other does not: only spikes compare."""
        return self.a.integer != self.b.integer

    @property
    def single(self) -> bool:
        """Whether a side computes in single precision."""
        return "single" in (self.a.precision, self.b.precision)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Layers whose outputs can be held against each other."""
        found = (pair for pair in self.matching.pairs if pair.comparable)
        return tuple(pair for pair in found if pair.a.spiking or not self.mixed)

    def record(self, stimulus: Stimulus) -> tuple[Recording, Recording]:
        """Both runs.

        Raises:
            InvalidInput: if the sides have nothing that can be compared.
        """
        first, second = self.a.run(stimulus), self.b.run(stimulus)
        if not self.matching.pairs:
            self.matching = match(self.a.layers(first), self.b.layers(second))
        if not self.pairs:
            raise InvalidInput(
                f"{self.a.label} and {self.b.label} have no layer in common: "
                f"{list(first.outputs)} and {list(second.outputs)}"
            )
        return first, second

    def replay(self, side: Side, recording: Recording, law: Side, stimulus: Stimulus) -> Replay:
        """What ``side`` recorded, under the names of the Graph of ``law``."""
        names = self.names(side, law)
        outputs = {
            names[n]: v
            for n, v in recording.outputs.items()
            if n in names and not (self.mixed and v.dtype.kind not in "iub")
        }
        if self.mixed:
            spiking = {pair.a.name if law is self.a else pair.b.name for pair in self.pairs}
            outputs = {n: v for n, v in outputs.items() if n in spiking or side is law}
        exact = not side.integer
        membrane = {names[n]: h for n, h in recording.membrane.items() if n in names and exact}
        return Replay(stimulus, outputs, membrane)

    def names(self, side: Side, law: Side) -> dict[str, str]:
        """Layers of a side, and what they are called by the Graph of another (or the same)."""
        if side is law:
            return {n: n for n in (side.model.nodes if side.model else ())}
        pairs = self.matching.pairs
        if law is self.a:
            return {pair.b.name: pair.a.name for pair in pairs}
        return {pair.a.name: pair.b.name for pair in pairs}

    def compare(self, stimulus: Stimulus, first: Recording, second: Recording) -> Comparison:
        """All pairs, and the scores."""
        mine = self._membranes(self.a, first, stimulus)
        theirs = self._membranes(self.b, second, stimulus)
        contrasts = []
        for pair in self.pairs:
            levels = self._levels(pair, mine, theirs, first, second)
            ruled = pair.a.name in self.ruled
            both = (
                not self.mixed and pair.a.name in first.membrane and pair.b.name in second.membrane
            )
            contrasts.append(contrast(pair, first, second, levels, ruled=ruled, recorded=both))
        scores = (first.scores, second.scores)
        comparable = scores[0].shape == scores[1].shape and not self.mixed
        largest = float(np.abs(scores[0]).max(initial=0.0)) * stimulus.steps
        tolerance = self._tolerance(largest)
        return compare(contrasts, scores if comparable else None, tolerance)

    def broken(self, graph: Graph, replay: Replay, name: str, other: Array | None) -> "Broken":
        """What one layer recorded against the law of a Graph.

        Args:
            graph: The law.
            replay: What was recorded.
            name: The layer.
            other: Its recorded membranes, (B, T, n), where they can be compared.
        """
        node = graph.nodes[name]
        seen = replay.seen(name)
        if graph.shapes[name] != tuple(replay.given[name].shape[2:]):
            return Broken(seen.size, beyond=True, ruled=False)
        try:
            predicted = replay.predict(graph, name)
        except NotReplayableError:
            return Broken(0, beyond=False, ruled=False)
        tolerance = self._tolerance(float(np.abs(predicted.membrane).max(initial=0.0)))
        if isinstance(node, LI):
            apart = ~(np.abs(predicted.outputs - seen) <= tolerance)
            return Broken(int(apart.sum()), beyond=bool(apart.any()), ruled=False)
        whole = (*seen.shape[:2], *graph.shapes[name])
        theirs = None if other is None else other.reshape(whole)
        levels = Levels((predicted.membrane.reshape(whole), theirs), (node, node), tolerance)
        wrong, excused = predicted.outputs != seen, levels.excused()
        exact = np.asarray(levels.distances()[0] == 0)
        ruled = other is None and int(exact.sum()) >= _PATTERN and bool(wrong[exact].all())
        assert excused is not None  # noqa: S101  # the law tells the membrane
        bits = wrong if ruled else wrong & ~excused
        gap = other is not None and bool((~(np.abs(predicted.membrane - other) <= tolerance)).any())
        return Broken(int(bits.sum()), beyond=bool(bits.any()) or gap, ruled=ruled)

    def _membranes(self, side: Side, recording: Recording, stimulus: Stimulus) -> dict[str, Array]:
        """Recorded, or by the law of the side's own Graph from its own past."""
        found, graph = dict(recording.membrane), side.graph
        missing = [n for n in recording.outputs if graph and n in graph.spiking and n not in found]
        if graph is None or not missing:
            return found
        replay = self.replay(side, recording, side, stimulus)
        for name in missing:
            try:
                membrane = replay.predict(graph, name).membrane
                found[name] = membrane.reshape(*membrane.shape[:2], *graph.shapes[name])
            except NotReplayableError:
                continue
        return found

    def _levels(
        self,
        pair: Pair,
        mine: dict[str, Array],
        theirs: dict[str, Array],
        first: Recording,
        second: Recording,
    ) -> Levels:
        x, y = mine.get(pair.a.name), theirs.get(pair.b.name)
        if not pair.a.spiking:
            x, y = first.outputs[pair.a.name], second.outputs[pair.b.name]
        a, b = self.a.node(pair.a.name), self.b.node(pair.b.name)
        if not self.mixed:  # a black box is held against what is known of the other
            a, b = a or b, b or a
        levels = [t for node in (a, b) if node is not None for t in thresholds(node)]
        sizes = [float(np.abs(v).max(initial=0.0)) for v in (x, y, *levels) if v is not None]
        return Levels((x, y), (a, b), self._tolerance(max(sizes, default=1.0)))

    def _tolerance(self, largest: float) -> float:
        integer = self.a.integer or self.b.integer
        largest = largest if np.isfinite(largest) else 1.0
        return tolerance_of(largest, single=self.single, integer=integer, ulps=self.ulps)


@dataclass(frozen=True, slots=True)
class Broken:
    """How a layer keeps a law.

    Attributes:
        bits: Outputs that do not, beyond rounding.
        beyond: Whether anything does not, membranes included.
        ruled: Whether every exact tie falls otherwise: another rule, not rounding.
    """

    bits: int
    beyond: bool
    ruled: bool
