"""Comparing a run with what was expected, and saying where the two part."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurorobust.backends import RunResult
from neurorobust.compare.spikes import Partings, closeness, differences
from neurorobust.ir import Array, FixedTernaryLIF, Model, Node, nearest_threshold

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
    names = [name for name in model.order if name in expected.spikes]
    steps_agreed: dict[int, int] = {}
    if names:
        found = Partings.of([differences(expected.spikes[n], actual.spikes[n]) for n in names])
        beyond = found.beyond([_tied(model, expected, n) if rounding else None for n in names])
        for sample in found.samples:
            step, place = (int(i) for i in found.first[sample])
            at = names[place], sample, step
            assert not beyond[sample], describe(model, expected, actual, at)
            steps_agreed[sample] = step
    for name, membrane in expected.membrane.items():
        if name in actual.membrane:
            _compare_membranes(name, membrane, actual.membrane[name], steps_agreed)
    if expected.scores is not None:
        _compare_scores(expected.scores, actual.scores, set(steps_agreed))
    if actual.overflows:
        _compare_overflows(expected, actual)
    if not steps_agreed:
        return []
    return [f"{len(steps_agreed)} sample(s) differ from a tie on, within the declared rounding"]


def describe(model: Model, expected: Expected, actual: RunResult, at: tuple[str, int, int]) -> str:
    """One sentence on a divergence at a node, sample and step: what, and how close to a tie."""
    name, sample, step = at
    want, got = (of.spikes[name][sample, step] for of in (expected, actual))
    neuron = tuple(np.argwhere(want != got)[0].tolist())
    text = (
        f"{name}: first difference at step {step}, sample {sample}, neuron {neuron}: "
        f"{got[neuron]} spike(s), expected {want[neuron]}"
    )
    if name in expected.membrane:
        h = expected.membrane[name][sample, step]
        text += f"; membrane {_number(h[neuron])}"
        if name in actual.membrane:
            text += f" (got {_number(actual.membrane[name][sample, step][neuron])})"
        threshold = nearest_threshold(model.nodes[name], h)
        assert threshold is not None, f"{name}: a {model.nodes[name].kind} has no threshold"
        nearest = np.broadcast_to(threshold, h.shape)[neuron]
        text += f", threshold {_number(nearest)}, distance {abs(h[neuron] - nearest):.3g}"
    total = sum(int((expected.spikes[n] != actual.spikes[n]).sum()) for n in expected.spikes)
    values = sum(s.size for s in expected.spikes.values())
    return f"{text}; {total} of {values} values differ"


def spike_dtype(node: Node) -> np.dtype[Any]:
    """In which spikes of a node are recorded."""
    return np.dtype(np.int8 if isinstance(node, FixedTernaryLIF) else np.uint8)


def _tied(model: Model, expected: Expected, name: str) -> Array | None:
    """Where the expected membrane ties with a threshold; None if it is not known."""
    close = closeness(model.nodes[name], expected.membrane.get(name))
    return None if close is None else close <= TOLERANCE


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
