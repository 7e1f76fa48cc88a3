"""Driving what an exporter wrote with the model's own inputs, and comparing the two."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from neurorobust.backends import Precision, Record, RunResult, run
from neurorobust.compare.spikes import Agreement, Partings, closeness, differences
from neurorobust.data import Stimulus
from neurorobust.errors import InvalidInput, NeurorobustError
from neurorobust.ir import LIF, Array, FixedInput, Graph, Model, Node

TOLERANCE = 1e-5
"""Of a membrane or score in float32, relative to max(1, size)."""

RunExported = Callable[[Stimulus], RunResult]
"""Runs an export; spikes may be recorded for some layers, or for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """Where an export first parts from its model.

    Attributes:
        layer: Name of the node.
        step: From 0.
        sample: Of the check's inputs.
        neuron: Index within the population.
        spikes: What the export gave.
        expected: What the model gives.
        membrane: Of the model, before reset; None where it is not known.
        distance: Of that membrane to the threshold, in units of max(1, threshold).
    """

    layer: str
    step: int
    sample: int
    neuron: tuple[int, ...]
    spikes: int
    expected: int
    membrane: float | None = None
    distance: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether an export computes what its model computes.

    Attributes:
        agreement: ``identical`` (every spike and score), ``rounding`` (they part only where a
            membrane lies within rounding error of its threshold, or in the last digits of a
            score), ``systematic`` (they part elsewhere), ``failed`` (it did not run to its end) or
            ``not run``.
        reason: In words, where the agreement needs them.
        target: What the export is for.
        against: Backend and rung that ran the model.
        versions: Of the libraries that ran the export.
        samples: Inputs shown.
        values: Spikes compared (one per neuron and step).
        differing: Of these.
        samples_differing: Inputs of which some spike or score differs.
        decisions_differing: Inputs of which the decision differs.
        largest_score_error: Over all scores.
        first: The first difference in time, or None.
    """

    agreement: Agreement | Literal["failed", "not run"]
    reason: str = ""
    target: str = ""
    against: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    samples: int = 0
    values: int = 0
    differing: int = 0
    samples_differing: int = 0
    decisions_differing: int = 0
    largest_score_error: float = 0.0
    first: First | None = None

    @property
    def agrees(self) -> bool:
        """Whether nothing speaks against the export; one that was not run is not known to."""
        return self.agreement in {"identical", "rounding"}

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"versions": dict(self.versions)}

    def as_json(self) -> str:
        """The text that is stored with an export."""
        return json.dumps(self.as_dict(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Verdict":
        """The verdict that was stored."""
        values = json.loads(text)
        if values["first"] is not None:
            first = values["first"]
            values["first"] = First(**first | {"neuron": tuple(first["neuron"])})
        return cls(**values)

    def __str__(self) -> str:
        if self.agreement == "not run":
            return f"self-check not run: {self.reason}"
        if self.agreement == "failed":
            return f"self-check failed: {self.reason}"
        text = (
            f"self-check: {self.agreement}; {self.differing} of {self.values} spikes differ, in "
            f"{self.samples_differing} of {self.samples} samples; {self.decisions_differing} "
            f"decision(s) and scores by up to {self.largest_score_error:.3g}"
        )
        if self.first is not None:
            at = self.first
            text += (
                f"; first at {at.layer}, step {at.step}, neuron {at.neuron}: {at.spikes} "
                f"spike(s), expected {at.expected}"
            )
            if at.distance is not None:
                text += f", membrane {at.membrane:.9g}, {at.distance:.3g} from the threshold"
        return text + (f" ({self.reason})" if self.reason else "")


def not_run(reason: str, target: str = "") -> Verdict:
    """The verdict on an export that could not be checked here."""
    return Verdict(agreement="not run", reason=reason, target=target)


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
    precision: Precision = "single" if isinstance(model, Graph) else "double"
    record: tuple[Record, ...] = ("spikes", "membrane")
    try:
        expected = run(model, shown, backend=backend, precision=precision, record=record)
    except NeurorobustError as error:
        return not_run(f"{backend} cannot run the model: {error}", target)
    try:
        actual = run_exported(shown)
    except NeurorobustError as error:
        return Verdict(agreement="failed", reason=str(error), target=target)
    rung = "float, single precision" if isinstance(model, Graph) else "quantised"
    found = _Comparison(model, expected, actual)
    return found.verdict(target, f"{backend}, {rung}", dict(versions or {}))


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
            raise InvalidInput(f"inputs have shape {inputs.shape}; the model takes (B, {wanted})")
        parts.append(inputs[:, None] if static else inputs)
    # As an export reads them: in float32.
    return Stimulus(np.concatenate(parts).astype(np.float32), header.steps)


class _Comparison:
    """Two runs of one model on the same inputs."""

    def __init__(self, model: Model, expected: RunResult, actual: RunResult) -> None:
        self.model, self.expected, self.actual = model, expected, actual
        self.seen = [n for n in model.order if n in expected.spikes and n in actual.spikes]
        differs = [differences(expected.spikes[n], actual.spikes[n]) for n in self.seen]
        batch, steps = len(expected.scores), model.header.steps
        self.partings = Partings.of(differs or [np.zeros((batch, steps, 0), bool)])
        spiking = {n: h for n, h in expected.membrane.items() if n in expected.spikes}
        self.near = {n: closeness(self._node(n), h) for n, h in spiking.items()}

    def _node(self, name: str) -> Node:
        """The neurons in the numbers in which they were run."""
        node = self.model.nodes[name]
        if not isinstance(node, LIF):
            return node
        return replace(node, threshold=node.threshold.astype(self.expected.membrane[name].dtype))

    def verdict(self, target: str, against: str, versions: Mapping[str, str]) -> Verdict:
        """The whole comparison."""
        error = np.abs(self.actual.scores - self.expected.scores)
        parted = self.partings.samples
        wrong = (error > 0).any(axis=1)
        wrong[parted] = True
        decided = self.actual.decisions != self.expected.decisions
        systematic, reason = self.systematic(error)
        agreement: Agreement = "rounding" if wrong.any() else "identical"
        return Verdict(
            agreement="systematic" if systematic else agreement,
            reason=reason,
            target=target,
            against=against,
            versions=versions,
            samples=len(error),
            values=sum(d.size for d in self.partings.differs),
            differing=sum(int(d.sum()) for d in self.partings.differs),
            samples_differing=int(wrong.sum()),
            decisions_differing=int(decided.sum()),
            largest_score_error=float(error.max(initial=0.0)),
            first=self.described(parted[0]) if parted else None,
        )

    def systematic(self, error: Array) -> tuple[bool, str]:
        """Whether rounding does not explain what differs, and why."""
        parted = self.partings.samples
        if not isinstance(self.model, Graph):
            return bool(parted) or bool(error.any()), ""
        if not np.isfinite(error).all():
            return True, "scores are not finite"
        near = [None if (d := self.near.get(n)) is None else d <= TOLERANCE for n in self.seen]
        beyond = np.flatnonzero(self.partings.beyond(near or [None]))
        far = [s for s in beyond if not self.hidden_tie(int(s), int(self.partings.first[s, 0]))]
        if far:
            return True, f"{len(far)} sample(s) part where no membrane is near its threshold"
        if self.flips_every_tie():
            return True, "every membrane that equals its threshold is decided the other way"
        limit = TOLERANCE * np.maximum(1, np.abs(self.expected.scores)) * self.model.header.steps
        off = set(np.flatnonzero((error > limit).any(axis=1)).tolist()) - set(parted)
        last = self.model.header.steps - 1
        off = {sample for sample in off if not self.hidden_tie(sample, last)}
        return bool(off), f"scores of {len(off)} sample(s) differ" if off else ""

    def hidden_tie(self, sample: int, step: int) -> bool:
        """Whether a layer of which the export shows no spikes may have parted until then."""
        return any(
            bool((near[sample, : step + 1] <= TOLERANCE).any())
            for name, near in self.near.items()
            if name not in self.seen and near is not None
        )

    def flips_every_tie(self) -> bool:
        """Whether exact ties, at least two, are all decided the other way before rounding acts."""
        until = np.arange(self.partings.steps) <= self.partings.first[:, :1]
        ties = flipped = 0
        for name, differs in zip(self.seen, self.partings.differs, strict=False):
            if (near := self.near.get(name)) is not None:
                exact = (near == 0) & until[:, :, None]
                ties += int(exact.sum())
                flipped += int((exact & differs).sum())
        return ties >= 2 and flipped == ties

    def described(self, sample: int) -> First:
        """The first difference in numbers."""
        step, place = (int(i) for i in self.partings.first[sample])
        name, neuron = self.seen[place], int(self.partings.at(sample).argmax())
        want, got = self.expected.spikes[name], self.actual.spikes[name]
        index = tuple(int(i) for i in np.unravel_index(neuron, want.shape[2:]))
        here = (sample, step, *index)
        membrane = self.expected.membrane.get(name)
        near = self.near.get(name)
        return First(
            layer=name,
            step=step,
            sample=sample,
            neuron=index,
            spikes=int(got[here]),
            expected=int(want[here]),
            membrane=None if membrane is None else float(membrane[here]),
            distance=None if near is None else float(near[sample, step, neuron]),
        )
