"""Comparing a run with what was expected, and saying where the two part."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurorobust.backends import RunResult
from neurorobust.ir import LIF, Array, FixedLIF, FixedTernaryLIF, Model, Node

TOLERANCE = 1e-9
"""Of membranes and scores in double precision, and of a tie, relative to max(1, size)."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a run must give.

    Attributes:
        spikes: Per node, shape (B, T, ...).
        membrane: Per node, shape (B, T, ...), before reset. May be given for nodes of ``spikes``
            that the backend cannot record: it then only locates differences.
        scores: Shape (B, classes).
        overflows: Per synapse and neuron ``wrapped`` and ``saturated``, shape (B,) each; compared
            where the backend counts them.
    """

    spikes: Mapping[str, Array] = field(default_factory=dict)
    membrane: Mapping[str, Array] = field(default_factory=dict)
    scores: Array | None = None
    overflows: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)

    @classmethod
    def of(cls, result: RunResult) -> "Expected":
        """Everything that was recorded."""
        overflows = {name: (o.wrapped, o.saturated) for name, o in result.overflows.items()}
        return cls(result.spikes, result.membrane, result.scores, overflows)


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where the spikes of one sample first differ."""

    sample: int
    step: int
    node: str


def assert_agrees(
    model: Model, expected: Expected, actual: RunResult, *, rounding: bool = False
) -> list[str]:
    """Compare spikes exactly, membranes and scores exactly (integers) or within ``TOLERANCE``.

    Args:
        model: What ran.
        expected: What it must give; what is left out is not compared.
        actual: What it gave.
        rounding: The backend declares that it rounds otherwise. A spike may then differ where the
            expected membrane lies within ``TOLERANCE`` of the threshold, and so may all that
            comes after it in the same sample.

    Returns:
        Notes on differences that were excused by ``rounding``.

    Raises:
        AssertionError: naming node, sample, step, neuron, membrane and distance to the threshold.
    """
    for name, spikes in expected.spikes.items():
        got = actual.spikes.get(name)
        assert got is not None, f"{name}: no spikes were recorded; got {sorted(actual.spikes)}"
        assert got.shape == spikes.shape, f"{name}: spikes {got.shape}, expected {spikes.shape}"
        dtype = spike_dtype(model.nodes[name])
        assert got.dtype == dtype, f"{name}: spikes are {got.dtype}, the contract says {dtype}"
    first = first_divergences(model, expected, actual)
    for at in first:
        if not (rounding and _is_tie(model, expected, actual, at)):
            raise AssertionError(describe(model, expected, actual, at))
    steps_agreed = {at.sample: at.step for at in first}
    for name, membrane in expected.membrane.items():
        if name in actual.membrane:
            _compare_membranes(name, membrane, actual.membrane[name], steps_agreed)
    if expected.scores is not None:
        _compare_scores(expected.scores, actual.scores, set(steps_agreed))
    if actual.overflows:
        _compare_overflows(expected, actual)
    if not first:
        return []
    return [f"{len(first)} sample(s) differ from a tie on, within the declared rounding"]


def first_divergences(model: Model, expected: Expected, actual: RunResult) -> list[Divergence]:
    """Per sample that differs, the earliest step and in it the earliest node, in time order."""
    found: dict[int, tuple[int, int]] = {}
    names = [name for name in model.order if name in expected.spikes]
    for place, name in enumerate(names):
        differs = expected.spikes[name] != actual.spikes[name]
        by_step = differs.reshape(*differs.shape[:2], -1).any(axis=2)
        for sample in np.flatnonzero(by_step.any(axis=1)).tolist():
            here = (int(by_step[sample].argmax()), place)
            found[sample] = min(found.get(sample, here), here)
    ordered = sorted((step, place, sample) for sample, (step, place) in found.items())
    return [Divergence(sample, step, names[place]) for step, place, sample in ordered]


def describe(model: Model, expected: Expected, actual: RunResult, at: Divergence) -> str:
    """One sentence on a divergence: where, what, and how close to the threshold."""
    want, got = expected.spikes[at.node], actual.spikes[at.node]
    neuron = tuple(np.argwhere((want != got)[at.sample, at.step])[0].tolist())
    here = (at.sample, at.step, *neuron)
    text = (
        f"{at.node}: first difference at step {at.step}, sample {at.sample}, neuron {neuron}: "
        f"{got[here]} spike(s), expected {want[here]}"
    )
    if at.node in expected.membrane:
        text += f"; membrane {_number(expected.membrane[at.node][here])}"
        if at.node in actual.membrane:
            text += f" (got {_number(actual.membrane[at.node][here])})"
        threshold = np.broadcast_to(_threshold(model, at.node), want.shape[2:])[neuron]
        distance = _distances(model, expected, at)[neuron]
        text += f", threshold {_number(threshold)}, distance {distance:.3g}"
    total = sum(int((expected.spikes[n] != actual.spikes[n]).sum()) for n in expected.spikes)
    values = sum(s.size for s in expected.spikes.values())
    return f"{text}; {total} of {values} values differ"


def spike_dtype(node: Node) -> np.dtype[Any]:
    """In which spikes of a node are recorded."""
    return np.dtype(np.int8 if isinstance(node, FixedTernaryLIF) else np.uint8)


def _is_tie(model: Model, expected: Expected, actual: RunResult, at: Divergence) -> bool:
    if at.node not in expected.membrane:
        return False
    differs = (expected.spikes[at.node] != actual.spikes[at.node])[at.sample, at.step]
    close = TOLERANCE * np.maximum(1, np.abs(_threshold(model, at.node)))
    return bool(np.all(~differs | (_distances(model, expected, at) <= close)))


def _threshold(model: Model, name: str) -> Array:
    node = model.nodes[name]
    if isinstance(node, FixedLIF):
        return node.vth.astype(np.int64) << 6
    if isinstance(node, FixedTernaryLIF):
        return node.vth_high.astype(np.int64) << 6
    assert isinstance(node, LIF), f"{name}: a {node.kind} has no threshold"
    return node.threshold


def _distances(model: Model, expected: Expected, at: Divergence) -> Array:
    """Distance of every membrane to the nearest number of thresholds at which the spikes change."""
    h = expected.membrane[at.node][at.sample, at.step]
    node, threshold = model.nodes[at.node], _threshold(model, at.node)
    if isinstance(node, LIF) and node.max_spikes > 1:
        threshold = threshold * np.clip(np.rint(h / threshold), 1, node.max_spikes)
    return np.asarray(np.abs(h - threshold))


def _compare_membranes(name: str, want: Array, got: Array, steps_agreed: dict[int, int]) -> None:
    assert got.shape == want.shape, f"{name}: membrane {got.shape}, expected {want.shape}"
    wrong = _beyond_tolerance(want, got)
    for sample, step in steps_agreed.items():
        wrong[sample, step:] = False
    if wrong.any():
        sample, step, *neuron = np.argwhere(wrong)[0].tolist()
        here = (sample, step, *neuron)
        raise AssertionError(
            f"{name}: membrane {_number(got[here])} at step {step}, sample {sample}, neuron "
            f"{tuple(neuron)}, expected {_number(want[here])}; {int(wrong.sum())} of "
            f"{wrong.size} values differ"
        )


def _compare_overflows(expected: Expected, actual: RunResult) -> None:
    for name, counts in expected.overflows.items():
        assert name in actual.overflows, f"{name}: no overflows were counted"
        given = actual.overflows[name]
        for what, want in zip(("wrapped", "saturated"), counts, strict=True):
            got = getattr(given, what)
            assert got.shape == want.shape, f"{name}: {what} {got.shape}, expected {want.shape}"
            if (wrong := np.flatnonzero(got != want)).size:
                sample = wrong[0]
                raise AssertionError(
                    f"{name}: {what} {got[sample]} in sample {sample}, expected {want[sample]}"
                )


def _compare_scores(want: Array, got: Array, excused: set[int]) -> None:
    assert got.shape == want.shape, f"scores have shape {got.shape}, expected {want.shape}"
    assert got.dtype == np.float64, f"scores are {got.dtype}, the contract says float64"
    wrong = _beyond_tolerance(want, got)
    wrong[sorted(excused)] = False
    if wrong.any():
        sample, index = np.argwhere(wrong)[0].tolist()
        raise AssertionError(
            f"score {_number(got[sample, index])} of class {index}, sample {sample}, "
            f"expected {_number(want[sample, index])}"
        )


def _beyond_tolerance(want: Array, got: Array) -> Array:
    if want.dtype.kind in "iu" and got.dtype.kind in "iu":
        return np.asarray(want != got)
    # Written so that NaN counts as wrong.
    close: Array = np.abs(got - want) <= TOLERANCE * np.maximum(1, np.abs(want))
    return ~close


def _number(value: Array) -> str:
    return repr(value.item() if hasattr(value, "item") else value)
