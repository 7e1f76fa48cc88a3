"""Two sides, everything that differs between them, and why.

From two recordings to a verdict: where they part, the smallest input, the causes.
"""

from dataclasses import dataclass

import numpy as np

from neurorobust.compare.causes.parameters import Unequal, counterparts, unequal
from neurorobust.compare.causes.search import Explanation, explain, merged
from neurorobust.compare.contrasts import ULPS, Comparison
from neurorobust.compare.inputs import Battery, battery
from neurorobust.compare.law import Replay
from neurorobust.compare.result import Cause, Difference, Layer, worst
from neurorobust.compare.shrink import Shrunk, shrink
from neurorobust.compare.sides import Pair, Recording, Side
from neurorobust.compare.stand import Broken, Stand
from neurorobust.data import Stimulus
from neurorobust.engine.integer_gradient.as_graph import as_graph
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array, Graph, Program
from neurorobust.progress import Silent, Stages

_EVIDENCE = 150_000
"""Values of a layer that a hypothesis is held against."""
_SAMPLES = 4, 96
"""Fewest and most samples for that."""
_STARTS = 3
"""Samples that are shrunk; the smallest result is kept."""
_SMALL = 4
"""A sample of so few values is no good start for a small one: it is one already."""


def diff(
    a: Side,
    b: Side,
    inputs: Array | Stimulus | None = None,
    *,
    samples: int = 32,
    steps: int | None = None,
    seed: int = 0,
    ulps: float = ULPS,
    stages: Stages = Silent(),  # noqa: B008  # it holds nothing
) -> Difference:
    """Where two networks part, by how much, and why.

    Args:
        a: What runs.
        b: Likewise.
        inputs: Real samples, as ``encode`` takes them or per step (B, T, ...).
        samples: Random samples, and as many that make ties; 0 for the given ones alone.
        steps: T; by default that of the inputs or of the model, at least 16.
        seed: Of the draws.
        ulps: Rounding steps that count as rounding, relative to the largest number of a layer.
        stages: Is told what happens.

    Raises:
        InvalidInput: for sides that have no input shape or no layer in common.
        Unsupported: if a backend cannot run its side exactly.
    """
    with stages.stage("Run both"):
        shown = battery(a, b, inputs, samples=samples, steps=steps, seed=seed)
        stand = Stand(a, b, ulps)
        run = Run(stand, shown, *stand.record(shown.stimulus))
        run.hold()
    with stages.stage("Shrink the input"):
        small = run.reproducer()
    with stages.stage("Seek the cause"):
        return run.result(small)


@dataclass(slots=True, eq=False)
class Case:
    """What one side recorded, held against the Graph of a side."""

    side: Side
    law: Side
    graph: Graph
    recording: Recording
    broken: dict[str, Broken]


class Run:
    """What both sides gave, held against each other and against the laws that are known."""

    def __init__(self, stand: Stand, shown: Battery, first: Recording, second: Recording) -> None:
        self.stand, self.shown = stand, shown
        self.first, self.second = first, second
        self.cases: list[Case] = []
        self.comparison: Comparison

    def hold(self) -> None:
        """Hold what was recorded against the laws that are known, then against each other."""
        a, b = self.stand.a, self.stand.b
        ways = []
        if a.graph is not None:
            ways = [(b, a, self.second), (a, a, self.first)]
        elif b.graph is not None:
            ways = [(a, b, self.first), (b, b, self.second)]
        for side, law, recording in ways:
            assert law.graph is not None  # noqa: S101
            case = Case(side, law, law.graph, recording, {})
            self._break(case)
            self.cases.append(case)
        if self.cases:
            own = self.stand.names(self.cases[0].law, a)
            case = self.cases[0]
            self.stand.ruled = {own.get(n, n) for n, found in case.broken.items() if found.ruled}
        self.comparison = self.stand.compare(self.shown.stimulus, self.first, self.second)

    def _break(self, case: Case) -> None:
        replay = self.stand.replay(case.side, case.recording, case.law, self.shown.stimulus)
        for name in replay.given:
            other = None
            if name in replay.membrane and (case.side is case.law or not self.stand.mixed):
                other = replay.membrane[name]
            case.broken[name] = self.stand.broken(case.graph, replay, name, other)

    def reproducer(self) -> Shrunk | None:
        """The smallest input on which outputs part beyond rounding, or else membranes do."""
        found, values = self.comparison, self.shown.values
        shows = found.parted | found.score_differs
        by_outputs = bool(shows.any())
        wrong = np.flatnonzero(shows if by_outputs else found.systematic)
        if not wrong.size:
            return None
        ends = found.first[:, 0] + 1
        if not by_outputs:
            strayed = np.stack([stray.any(axis=2) for stray in found.strays]).any(axis=0)
            ends = strayed.argmax(axis=1) + 1
        ends = np.where(found.score_differs, values.shape[1], ends)
        sizes = {int(s): int(np.count_nonzero(values[s, : ends[s]])) for s in wrong}
        whole = {s: int(np.count_nonzero(values[s])) for s in sizes}
        large = {s: size for s, size in sizes.items() if whole[s] > _SMALL} or sizes
        starts = sorted(large, key=lambda s: ((large[s] + 1) * int(ends[s]), s))[:_STARTS]

        def parts(candidates: Array) -> Array:
            stimulus = Stimulus(candidates, candidates.shape[1])
            again = self.stand.compare(stimulus, *self.stand.record(stimulus))
            return again.parted | again.score_differs if by_outputs else again.systematic

        found_small = [shrink(values[start], parts, int(ends[start])) for start in starts]
        return min(found_small, key=lambda s: (s.steps * s.nonzero, s.share))

    def result(self, small: Shrunk | None) -> Difference:
        """Everything, as data."""
        stand, comparison = self.stand, self.comparison
        layers = self._layers()
        verdicts = [layer.verdict for layer in layers]
        notes = []
        scores = int(comparison.score_differs.sum())
        if scores:
            verdicts.append("systematic")
            notes.append(f"scores of {scores} sample(s) differ although all layers agree")
        same, parameters = self._parameters()
        wrong = "systematic" in verdicts
        explained = self._explained(same) if wrong else []
        causes = self._causes(explained)
        if not causes and wrong:
            causes = self._by_parameters(parameters)
        if scores and not causes:
            causes = self._readout(parameters)
        decided = self.first.scores.argmax(axis=1) != self.second.scores.argmax(axis=1)
        kinds = {kind: self.shown.kinds.count(kind) for kind in dict.fromkeys(self.shown.kinds)}
        return Difference(
            a=stand.a.label,
            b=stand.b.label,
            verdict=worst(verdicts),
            layers=layers,
            only_a=stand.matching.only_a,
            only_b=stand.matching.only_b,
            samples=kinds,
            steps=self.shown.stimulus.steps,
            first=comparison.divergence(self.shown, self.first, self.second),
            causes=causes,
            reproducer=small,
            decisions=int(decided.sum()),
            parameters=parameters,
            left=self._left(explained),
            notes=tuple(notes + self._notes()),
        )

    def _layers(self) -> tuple[Layer, ...]:
        stand, comparison, found = self.stand, self.comparison, []
        places: dict[Pair, int] = {pair: place for place, pair in enumerate(stand.pairs)}
        case = self.cases[0] if self.cases else None
        for pair in stand.matching.pairs:
            if pair not in places:
                if pair.comparable:  # an integrator in integers and one in floats
                    continue
                note = f"shape {pair.a.shape} on A, {pair.b.shape} on B"
                found.append(Layer(name=pair.name, verdict="systematic", own=True, note=note))
                continue
            place = places[pair]
            contrast, verdict = comparison.contrasts[place], comparison.verdict(place)
            broken = None
            if case is not None:
                name = pair.a.name if case.law is stand.a else pair.b.name
                broken = case.broken.get(name)
            starts = bool(comparison.starts(place).any())
            own = starts or (broken is not None and broken.beyond)
            before = comparison.partings.before()
            gap = None if contrast.gap is None else float((contrast.gap * before).max(initial=0.0))
            found.append(
                Layer(
                    name=pair.name,
                    verdict=verdict,
                    own=own and verdict == "systematic",
                    differing=int(contrast.differs.sum()),
                    total=contrast.differs.size,
                    membrane_gap=gap,
                    broken=None if broken is None else broken.bits,
                )
            )
        return tuple(found)

    def _parameters(self) -> tuple[dict[str, str], tuple[Unequal, ...]]:
        a, b = self.stand.a.model, self.stand.b.model
        if a is None or b is None or type(a) is not type(b):
            return {}, ()
        layers = {pair.a.name: pair.b.name for pair in self.stand.matching.pairs}
        same = counterparts(a, b, layers)
        return same, unequal(a, b, same)

    def _explained(self, same: dict[str, str]) -> list[tuple[Case, Explanation]]:
        found = []
        for case in self.cases:
            other = self._other(case)
            graph = case.graph
            for name in case.graph.order:
                if name not in case.broken or not case.broken[name].beyond:
                    continue
                if name not in graph.nodes:
                    graph = case.graph
                replay = self._evidence(case, name)
                one = explain(graph, name, replay, other, same if case.law is self.stand.a else {})
                if one is not None:
                    found.append((case, one))
                    graph = graph if one.graph is other else one.graph
            if found:  # the second case is whether a side keeps its own law
                break
        return found

    def _other(self, case: Case) -> Graph | None:
        """The Graph of the other side, where it can be read."""
        model = case.side.model
        if case.side is case.law or model is None:
            return None
        if isinstance(model, Program):
            try:
                return as_graph(model)
            except InvalidInput:
                return None
        return model if isinstance(model, Graph) else None

    def _evidence(self, case: Case, name: str) -> Replay:
        """Samples that break the law of a layer first, as many as fit."""
        least, most = _SAMPLES
        size = case.recording.outputs[self._recorded(case, name)][0].size
        many = int(np.clip(_EVIDENCE // max(size, 1), least, most))
        rows = np.argsort(~(self.comparison.systematic), kind="stable")[:many]
        part = Recording(
            outputs={n: v[rows] for n, v in case.recording.outputs.items()},
            membrane={n: v[rows] for n, v in case.recording.membrane.items()},
            scores=case.recording.scores[rows],
        )
        stimulus = Stimulus(self.shown.values[rows], self.shown.stimulus.steps)
        return self.stand.replay(case.side, part, case.law, stimulus)

    def _recorded(self, case: Case, name: str) -> str:
        names = self.stand.names(case.side, case.law)
        return next(own for own, law in names.items() if law == name)

    def _causes(self, explained: list[tuple[Case, Explanation]]) -> tuple[Cause, ...]:
        found = []
        for group in merged([one for _, one in explained]):
            case = next(c for c, one in explained if one is group[0])
            x, y = self._words(case)
            bits = sum(one.bits.bits for one in group)
            left = sum(one.left.bits for one in group)
            for place, hypothesis in enumerate(group[0].chosen):
                rivals = group[0].rivals if not place else ()
                found.append(
                    Cause(
                        cause=hypothesis.cause,
                        text=hypothesis.text.format(x=x, y=y),
                        layers=tuple(one.layer for one in group),
                        bits=bits,
                        explained=bits - left,
                        share=min(one.share for one in group),
                        told=hypothesis.told,
                        rivals=tuple(dict.fromkeys(h.cause for h in rivals)),
                    )
                )
        return tuple(sorted(found, key=lambda cause: -cause.explained))

    def _words(self, case: Case) -> tuple[str, str]:
        """What the sides are called in sentences: the law and who departs from it."""
        law = "A" if case.law is self.stand.a else "B"
        side = "A" if case.side is self.stand.a else "B"
        return (law, side) if case.side is not case.law else (f"the Graph of {law}", side)

    def _by_parameters(self, parameters: tuple[Unequal, ...]) -> tuple[Cause, ...]:
        """Without a law to test on, what the parameters say."""
        return tuple(
            Cause(
                cause=one.cause,
                text=f"{one.field} of {one.node} is {one.b} in B, {one.a} in A",
                layers=(one.node,),
                bits=0,
                explained=0,
                share=0.0,
                told=True,
            )
            for one in parameters
        )

    def _readout(self, parameters: tuple[Unequal, ...]) -> tuple[Cause, ...]:
        told = [one for one in parameters if one.cause == "readout"]
        return self._by_parameters(tuple(told)) or (
            Cause(
                cause="readout",
                text="all layers agree, and the scores are read otherwise",
                layers=("output",),
                bits=int(self.comparison.score_differs.sum()),
                explained=int(self.comparison.score_differs.sum()),
                share=1.0,
            ),
        )

    def _left(self, explained: list[tuple[Case, Explanation]]) -> int | None:
        """Outputs that still differ when the law runs with all changes."""
        if not explained or self.stand.mixed:
            return None
        case, last = explained[-1]
        if set(case.broken) - set(last.graph.nodes) or case.law.integer:
            return None
        model = last.graph
        run = Side.of(model, "torch", precision=case.law.precision).run(self.shown.stimulus)
        names = self.stand.names(case.side, case.law)
        return sum(
            int((run.outputs[names[n]] != values).sum())
            for n, values in case.recording.outputs.items()
            if n in names and names[n] in run.outputs and values.dtype.kind in "iub"
        )

    def _notes(self) -> list[str]:
        notes = []
        stand = self.stand
        if stand.mixed:
            notes.append("one side computes in integers: only spikes and decisions are compared")
        notes += [
            f"{side.label}: {deviation}"
            for side, run in ((stand.a, self.first), (stand.b, self.second))
            for deviation in run.deviations
        ]
        return notes
