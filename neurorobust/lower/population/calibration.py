"""The float network on calibration data, and how far a lowered population is from it.

Populations are judged in order: one whose synapses read a single other population (or the input) is
run on the spikes which that one gave as lowered; otherwise everything before it is run again.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from neurorobust.backends import RunResult, run
from neurorobust.compare.lowering import CHUNK, SPIKES, shown
from neurorobust.data import Stimulus
from neurorobust.errors import LowerError
from neurorobust.ir import LI, Array, FixedInput, Flatten, Graph, Model, Node, Output, Program
from neurorobust.ir.edges import chain_edges
from neurorobust.ir.fixed import STATE_ONE
from neurorobust.lower.population.scaling import Scaled
from neurorobust.lower.refusals import sources_of


def run_chunks(model: Model, stimulus: Stimulus) -> RunResult:
    """Scores and spikes of all samples on the backend ``torch``."""
    from neurorobust.engine.threads import one_thread

    with one_thread():
        return run(model, stimulus, record=SPIKES, chunk=CHUNK)


class Calibration:
    """Judges scaled populations against the float network.

    Args:
        original: The network as trained.
        samples: As ``encode`` takes them.
        rest: The part that is lowered; its populations are some of the original's.
        sent: What the host sends to it, if there is one.
    """

    def __init__(
        self, original: Graph, samples: Array, rest: Graph, sent: Stimulus | None = None
    ) -> None:
        self.rest = rest
        stimulus = shown(original, samples)
        self.exact = run_chunks(original, stimulus)
        self.stimulus = stimulus if sent is None else sent
        self.lowered: dict[str, Array] = {}

    def error(self, found: Scaled, done: Mapping[str, Node], source: FixedInput) -> float:
        """Share of the spikes that differ, or the squared error of the readout's scores.

        The share is of the spikes on both sides (Dice): of two populations that err as often, one
        that falls silent is the worse.
        """
        result = self._run(found, done, source)
        name = found.population.name
        if isinstance(found.population.node, LI):
            return float(((result.scores - self.exact.scores) ** 2).sum())
        exact, integer = self.exact.spikes[name], result.spikes[name]
        fired = int(exact.sum(dtype=np.int64)) + int(integer.sum(dtype=np.int64))
        return float(np.count_nonzero(exact != integer)) / max(fired, 1)

    def keep(self, found: Scaled, done: Mapping[str, Node], source: FixedInput) -> None:
        """Remember what a population gives at the scale that was chosen."""
        if not isinstance(found.population.node, LI):
            name = found.population.name
            self.lowered[name] = self._run(found, done, source).spikes[name]

    def _run(self, found: Scaled, done: Mapping[str, Node], source: FixedInput) -> RunResult:
        name = found.population.name
        cut = self._cut(name)
        stimulus = self.stimulus
        if cut != self.rest.input:
            stimulus = Stimulus(self.lowered[cut], stimulus.steps)
        return run_chunks(self._stage(found, done, source, cut), stimulus)

    def _cut(self, name: str) -> str:
        """Where the stimulus of a population's stage enters."""
        reads = {
            place
            for edge in self.rest.incoming(name)
            for place in (
                [edge.source]
                if edge.source == self.rest.input
                else sources_of(self.rest, edge.source)
            )
        } - {name}
        (first, *more) = sorted(reads) or [self.rest.input]
        return self.rest.input if more else first

    def _stage(
        self, found: Scaled, done: Mapping[str, Node], source: FixedInput, cut: str
    ) -> Program:
        """The part of the Program from a cut to one population."""
        rest, name = self.rest, found.population.name
        kept = self._between(cut, name)
        entry = (
            source
            if cut == rest.input
            else FixedInput(shape=rest.shapes[cut], scale=1.0, low=0, high=1)
        )
        known = {**done, **found.population.nodes(found.scale), cut: entry}
        if missing := sorted(n for n in kept if n not in known and rest.nodes[n].population):
            msg = f"{name}: depends on {missing}, lowered later; take another scaling than 'spikes'"
            raise LowerError(msg)
        nodes: dict[str, Node] = {n: known.get(n, rest.nodes[n]) for n in rest.nodes if n in kept}
        edges = [edge for edge in rest.edges if edge.source in kept and edge.target in kept]
        if cut != rest.input:
            edges = [edge for edge in edges if edge.target != cut]
        ways = [name]
        if len(rest.shapes[name]) > 1:
            nodes["stage.flat"] = Flatten()
            ways.append("stage.flat")
        last = rest.nodes[rest.output]
        integrator = isinstance(found.population.node, LI)
        nodes["stage.out"] = last if integrator else Output()
        ways.append("stage.out")
        edges += chain_edges(ways)
        return Program(
            header=replace(rest.header, coding="events"),
            nodes=nodes,
            edges=tuple(edges),
            score_unit=1 / (found.scale * STATE_ONE) if integrator else 1.0,
        )

    def _between(self, cut: str, name: str) -> set[str]:
        """Everything that acts on a population, up to the cut."""
        kept, ahead = {name, cut}, [name]
        while ahead:
            for edge in self.rest.incoming(ahead.pop()):
                if edge.source not in kept:
                    kept.add(edge.source)
                    ahead.append(edge.source)
        return kept
