"""What lowering changed on data, population by population."""

from typing import Any

import numpy as np

from neurorobust.backends import Record, RunResult, get_backend
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

    stimulus = shown(graph, samples)
    torch = get_backend("torch")
    exact, integer = torch.compile(graph, "float"), torch.compile(program, "quantised")
    tallies = {
        name: _Tally()
        for name in program.order
        if isinstance(program.nodes[name], FixedNeuron) and name != program.output
    }
    with one_thread():
        for start in range(0, len(stimulus), CHUNK):
            part = stimulus[start : start + CHUNK]
            first = exact.run(part, SPIKES)
            second = integer.run(part, ("spikes", "overflows"))
            for name, tally in tallies.items():
                synapses = [edge.source for edge in program.incoming(name)]
                tally.add(name, synapses, first, second)
    rows = [{"layer": name} | tally.row() for name, tally in tallies.items()]
    known = [row["first_difference"] for row in rows if row.get("first_difference") is not None]
    for row in rows:
        if "first_difference" in row:
            at = row["first_difference"]
            row["diverges_first"] = at is not None and at == min(known)
            if row["diverges_first"]:
                known = [-1]  # of several in the same step only the first in order
    return rows


class _Tally:
    """Counts of one population over all chunks."""

    def __init__(self) -> None:
        self.values = self.equal = self.fired_float = self.fired_integer = 0
        self.first: int | None = None
        self.samples = self.agreed = self.wrapped = self.saturated = 0
        self.error = 0.0

    def add(self, name: str, synapses: list[str], first: RunResult, second: RunResult) -> None:
        for node in (name, *synapses):
            if node in second.overflows:
                self.wrapped += int(second.overflows[node].wrapped.sum())
                self.saturated += int(second.overflows[node].saturated.sum())
        if name not in second.spikes or name not in first.spikes:
            self.samples += len(first.scores)
            self.agreed += int((first.decisions == second.decisions).sum())
            self.error = max(self.error, float(np.abs(first.scores - second.scores).max()))
            return
        a, b = first.spikes[name], second.spikes[name]
        self.values += a.size
        self.equal += int((a == b).sum())
        self.fired_float += int(a.sum(dtype=np.int64))
        self.fired_integer += int(b.sum(dtype=np.int64))
        steps = np.flatnonzero((a != b).any(axis=(0, *range(2, a.ndim))))
        if len(steps):
            self.first = min(int(steps[0]), int(steps[0]) if self.first is None else self.first)

    def row(self) -> dict[str, Any]:
        overflows = {"wrapped": self.wrapped, "saturated": self.saturated}
        if not self.values:
            return {
                "decision_agreement": self.agreed / self.samples,
                "score_error_max": self.error,
            } | overflows
        return {
            "rate_float": self.fired_float / self.values,
            "rate_integer": self.fired_integer / self.values,
            "spike_agreement": self.equal / self.values,
            "first_difference": self.first,
        } | overflows
