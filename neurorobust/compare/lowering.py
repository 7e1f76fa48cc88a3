"""What lowering changed on data, population by population."""

from typing import Any

import numpy as np

from neurorobust.backends import Record, RunResult, compiled
from neurorobust.compare.spikes import SpikeComparison, compare_spikes
from neurorobust.data import Stimulus, encode
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array, FixedNeuron, Graph, Program

CHUNK = 32
"""Samples that run at a time."""
SPIKES: tuple[Record, ...] = ("spikes",)
DRAW = 0
"""Seed of the spikes where the input coding draws some."""


def shown(graph: Graph, samples: Array) -> Stimulus:
    """Samples as a stimulus; spikes, where they are drawn, always the same.

    Raises:
        InvalidInput: for what ``encode`` does not take, or no samples at all.
    """
    stimulus = encode(graph, samples, rng=np.random.default_rng(DRAW))
    if not len(stimulus):
        msg = f"samples have shape {samples.shape}: there are none to compare on; give at least one"
        raise InvalidInput(msg)
    return stimulus


def measure(graph: Graph, program: Program, samples: Array) -> list[dict[str, Any]]:
    """Run a Graph and the Program it was lowered to on the same samples and compare.

    Args:
        graph: As trained.
        program: What it was lowered to; populations have kept their names.
        samples: As ``encode`` takes them.

    Returns:
        One row per population on the chip, in the order of execution, of plain values: ``layer``;
        of spikes ``rate_float`` and ``rate_integer`` (per neuron and step), ``spike_agreement``
        (share of equal values), ``first_difference`` (earliest step, from 0; None without one),
        ``diverges_first`` (whether no population differs earlier); of a readout
        ``decision_agreement`` and ``score_error_max``; of both ``wrapped`` and ``saturated``
        (overflows of the population and its synapses, over all samples).

    Raises:
        InvalidInput: for samples that ``encode`` does not take, or none.
    """
    from neurorobust.engine.threads import one_thread

    tallies = {
        name: _Tally()
        for name in program.order
        if isinstance(program.nodes[name], FixedNeuron) and name != program.output
    }
    stimulus = shown(graph, samples)
    with one_thread(), compiled(graph) as exact, compiled(program) as integer:
        for part in stimulus.chunks(CHUNK):
            first, second = exact.run(part, SPIKES), integer.run(part, ("spikes", "overflows"))
            for name, tally in tallies.items():
                tally.add(program, name, first, second)
    rows = [{"layer": name} | tally.row() for name, tally in tallies.items()]
    parted = [row for row in rows if row.get("first_difference") is not None]
    earliest = min(parted, key=lambda row: row["first_difference"], default=None)
    for row in rows:
        if "first_difference" in row:
            row["diverges_first"] = row is earliest
    return rows


class _Tally:
    """Counts of one population over all chunks."""

    def __init__(self) -> None:
        self.spikes: list[SpikeComparison] = []
        self.fired_float = self.fired_integer = 0
        self.samples = self.agreed = self.wrapped = self.saturated = 0
        self.error = 0.0

    def add(self, program: Program, name: str, first: RunResult, second: RunResult) -> None:
        for node in (name, *(edge.source for edge in program.incoming(name))):
            if node in second.overflows:
                self.wrapped += int(second.overflows[node].wrapped.sum())
                self.saturated += int(second.overflows[node].saturated.sum())
        if name not in second.spikes or name not in first.spikes:
            self.samples += len(first.scores)
            self.agreed += int((first.decisions == second.decisions).sum())
            self.error = max(self.error, float(np.abs(first.scores - second.scores).max()))
            return
        a, b = first.spikes[name], second.spikes[name]
        self.spikes += compare_spikes({name: a}, {name: b}, order=(name,))
        self.fired_float += int(a.sum(dtype=np.int64))
        self.fired_integer += int(b.sum(dtype=np.int64))

    def row(self) -> dict[str, Any]:
        overflows = {"wrapped": self.wrapped, "saturated": self.saturated}
        if not self.spikes:
            return {
                "decision_agreement": self.agreed / self.samples,
                "score_error_max": self.error,
            } | overflows
        values = sum(part.values for part in self.spikes)
        steps = [part.first_step for part in self.spikes if part.first_step is not None]
        return {
            "rate_float": self.fired_float / values,
            "rate_integer": self.fired_integer / values,
            "spike_agreement": (values - sum(part.differing for part in self.spikes)) / values,
            "first_difference": min(steps, default=None),
        } | overflows
