"""Driving what an exporter wrote with the model's own inputs, and comparing the two."""

from collections.abc import Callable, Mapping
from contextlib import closing

import numpy as np

from neurorobust.backends import Precision, Record, Rung, RunResult, get_backend
from neurorobust.compare.expected import Divergence, Expected, first_divergences
from neurorobust.compare.verdict import First, Verdict, not_run
from neurorobust.data import Stimulus
from neurorobust.errors import InvalidInput, NeurorobustError
from neurorobust.ir import LIF, Array, FixedInput, Graph, Model

TOLERANCE = 1e-5
"""Of a membrane or score in float32, relative to max(1, size)."""

RunExported = Callable[[Stimulus], RunResult]
"""Runs an export; spikes may be recorded for some layers, or for none."""


def self_check(
    run_exported: RunExported,
    model: Model,
    *,
    inputs: Array | None = None,
    samples: int = 8,
    seed: int = 0,
    target: str = "",
    backend: str = "torch",
    versions: Mapping[str, str] | None = None,
) -> Verdict:
    """Compare an export with its model on random, tie-heavy and given inputs.

    A Graph is compared in single precision, in which exports compute; a Program in its integers,
    where nothing rounds.

    Args:
        run_exported: Runs the export on a stimulus; the Output's readout makes its scores.
        model: What was exported.
        inputs: Samples as ``encode`` takes them (with bernoulli coding: spikes, (B, T, ...)).
        samples: Number of random, and of tie-heavy inputs.
        seed: Of these.
        target: What the export is for, for the verdict.
        backend: Runs the model.
        versions: Of the libraries that run the export, for the verdict.

    Raises:
        InvalidInput: if ``inputs`` do not fit the model.
    """
    shown = probes(model, np.random.default_rng(seed), samples, inputs)
    floating = isinstance(model, Graph)
    try:
        expected = _expected(model, shown, backend)
    except NeurorobustError as error:
        return not_run(f"{backend} cannot run the model: {error}", target)
    try:
        actual = run_exported(shown)
    except NeurorobustError as error:
        return Verdict(agreement="failed", reason=str(error), target=target)
    against = f"{backend}, {'float, single precision' if floating else 'quantised'}"
    return _Comparison(model, expected, actual).verdict(target, against, dict(versions or {}))


def _expected(model: Model, shown: Stimulus, backend: str) -> RunResult:
    floating = isinstance(model, Graph)
    rung: Rung = "float" if floating else "quantised"
    record: tuple[Record, ...] = ("spikes", "membrane") if floating else ("spikes",)
    precision: Precision = "single" if floating else "double"
    with closing(get_backend(backend).compile(model, rung, precision=precision)) as executable:
        return executable.run(shown, record)


def probes(
    model: Model, rng: np.random.Generator, samples: int, inputs: Array | None = None
) -> Stimulus:
    """Random inputs, inputs on a coarse grid (under which sums tie), and those given.

    Raises:
        InvalidInput: if the inputs given do not have the model's shape.
    """
    header, shape = model.header, model.input_shape
    static = header.coding == "direct"
    given = (1,) if static else (header.steps,)
    size = (samples, *given, *shape)
    node = model.nodes[model.input]
    low, high = header.bounds
    if isinstance(node, FixedInput):
        codes = rng.integers(node.low, node.high + 1, size)
        near = rng.integers(max(node.low, -2), min(node.high, 2) + 1, size)
        parts = [node.offset + whole / node.scale for whole in (codes, near)]
    elif header.coding == "bernoulli":
        parts = [(rng.random(size) < rate).astype(np.float64) for rate in (0.5, 0.1)]
    else:
        ties = low + (high - low) * rng.integers(0, 17, size) / 16
        events = np.where(rng.random(size) < 0.3, high, max(low, min(0.0, high)))
        parts = [rng.uniform(low, high, size), np.where(rng.random(size) < 0.5, ties, events)]
    if inputs is not None:
        wanted = (*(() if static else given), *shape)
        if inputs.shape[1:] != wanted:
            msg = f"inputs have shape {inputs.shape}; the model takes (B, {wanted})"
            raise InvalidInput(msg)
        parts.append(inputs[:, None] if static else inputs)
    # As an export reads them: in float32.
    return Stimulus(np.concatenate(parts).astype(np.float32), header.steps)


class _Comparison:
    """Two runs of one model on the same inputs."""

    def __init__(self, model: Model, expected: RunResult, actual: RunResult) -> None:
        self.model, self.expected, self.actual = model, expected, actual
        self.seen = [name for name in expected.spikes if name in actual.spikes]
        spikes = {name: expected.spikes[name] for name in self.seen}
        self.first = first_divergences(model, Expected(spikes=spikes), actual)
        self.distances = {
            name: _distance(node, expected.membrane[name])
            for name, node in model.of_kind(LIF)
            if name in expected.membrane
        }

    def verdict(self, target: str, against: str, versions: Mapping[str, str]) -> Verdict:
        """The whole comparison."""
        differing = {
            name: self.expected.spikes[name] != self.actual.spikes[name] for name in self.seen
        }
        error = np.abs(self.actual.scores - self.expected.scores)
        parted = {at.sample for at in self.first}
        wrong = {int(i) for i in np.flatnonzero((error > 0).any(axis=1))}
        decided = self.actual.decisions != self.expected.decisions
        systematic, reason = self.systematic(error, parted)
        agreement = "rounding" if parted or wrong else "identical"
        return Verdict(
            agreement="systematic" if systematic else agreement,  # type: ignore[arg-type]
            reason=reason,
            target=target,
            against=against,
            versions=versions,
            samples=len(error),
            values=sum(d.size for d in differing.values()),
            differing=sum(int(d.sum()) for d in differing.values()),
            samples_differing=len(parted | wrong),
            decisions_differing=int(decided.sum()),
            largest_score_error=float(error.max(initial=0.0)),
            first=self.described(self.first[0]) if self.first else None,
        )

    def systematic(self, error: Array, parted: set[int]) -> tuple[bool, str]:
        """Whether rounding does not explain what differs, and why."""
        if not isinstance(self.model, Graph):
            return bool(self.first) or bool(error.any()), ""
        if not np.isfinite(error).all():
            return True, "scores are not finite"
        far = [at for at in self.first if not self.excused(at)]
        if far:
            return True, f"{len(far)} sample(s) part where no membrane is near its threshold"
        if self.flips_every_tie():
            return True, "every membrane that equals its threshold is decided the other way"
        limit = TOLERANCE * np.maximum(1, np.abs(self.expected.scores)) * self.model.header.steps
        off = {int(i) for i in np.flatnonzero((error > limit).any(axis=1))} - parted
        last = self.model.header.steps - 1
        off = {sample for sample in off if not self.hidden_tie(sample, last)}
        return bool(off), f"scores of {len(off)} sample(s) differ" if off else ""

    def excused(self, at: Divergence) -> bool:
        """Whether every neuron that parts there is within rounding error of its threshold."""
        if self.hidden_tie(at.sample, at.step):
            return True
        here = (at.sample, at.step)
        differs = (self.expected.spikes[at.node] != self.actual.spikes[at.node])[here]
        if at.node not in self.distances:
            return False
        return bool((self.distances[at.node][here][differs] <= TOLERANCE).all())

    def hidden_tie(self, sample: int, step: int) -> bool:
        """Whether a layer of which the export shows no spikes may have parted until then."""
        return any(
            bool((distance[sample, : step + 1] <= TOLERANCE).any())
            for name, distance in self.distances.items()
            if name not in self.seen
        )

    def flips_every_tie(self) -> bool:
        """Whether exact ties, at least two, are all decided the other way before rounding acts."""
        until = {at.sample: at.step for at in self.first}
        ties = flipped = 0
        for name in self.seen:
            if name not in self.distances:
                continue
            exact = self.distances[name] == 0
            differs = self.expected.spikes[name] != self.actual.spikes[name]
            for sample in range(len(exact)):
                rows = slice(0, until.get(sample, len(exact[sample]) - 1) + 1)
                ties += int(exact[sample, rows].sum())
                flipped += int((exact & differs)[sample, rows].sum())
        return ties >= 2 and flipped == ties

    def described(self, at: Divergence) -> First:
        """The first difference in words and numbers."""
        want, got = self.expected.spikes[at.node], self.actual.spikes[at.node]
        index = np.argwhere((want != got)[at.sample, at.step])[0]
        neuron = tuple(int(i) for i in index)
        here = (at.sample, at.step, *neuron)
        membrane = self.expected.membrane.get(at.node)
        distance = self.distances.get(at.node)
        return First(
            layer=at.node,
            step=at.step,
            sample=at.sample,
            neuron=neuron,
            spikes=int(got[here]),
            expected=int(want[here]),
            membrane=None if membrane is None else float(membrane[here]),
            distance=None if distance is None else float(distance[here]),
        )


def _distance(node: LIF, h: Array) -> Array:
    """Of each membrane to the nearest threshold, relative to max(1, threshold)."""
    threshold = node.threshold.astype(h.dtype)
    at = threshold
    if node.max_spikes > 1:
        at = threshold * np.clip(np.rint(h / threshold), 1, node.max_spikes)
    return np.asarray(np.abs(h - at) / np.maximum(1, np.abs(threshold)))
