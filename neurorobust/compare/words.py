"""A comparison as JSON values, and its sentences."""

from dataclasses import asdict
from typing import Any

import numpy as np

from neurorobust.compare.result import Cause, Difference, Divergence
from neurorobust.render.looks import integer, percent


def as_json(found: Difference) -> dict[str, Any]:
    """Everything but arrays."""
    small = found.reproducer
    return {
        "a": found.a,
        "b": found.b,
        "agree": found.agree,
        "verdict": found.verdict,
        "differing": found.differing,
        "decisions": found.decisions,
        "samples": dict(found.samples),
        "steps": found.steps,
        "layers": [asdict(layer) for layer in found.layers],
        "only_a": list(found.only_a),
        "only_b": list(found.only_b),
        "first": None if found.first is None else _first(found.first),
        "causes": [asdict(cause) for cause in found.causes],
        "left": found.left,
        "reproducer": None
        if small is None
        else {
            "steps": small.steps,
            "nonzero": small.nonzero,
            "original_steps": small.original_steps,
            "original_nonzero": small.original_values,
            "share": small.share,
            "values": _values(small.values),
        },
        "parameters": [asdict(unequal) for unequal in found.parameters],
        "notes": list(found.notes),
    }


def _values(values: np.ndarray) -> list[dict[str, Any]]:
    """The values that are not zero, with step and place."""
    places = np.argwhere(values)[:1000]
    return [
        {"step": int(t), "index": [int(i) for i in index], "value": float(values[(t, *index)])}
        for t, *index in places
    ]


def _first(first: Divergence) -> dict[str, Any]:
    return {
        "layer": first.layer,
        "sample": first.sample,
        "kind": first.kind,
        "step": first.step,
        "neuron": list(first.neuron),
        "outputs": list(first.outputs),
        "membrane": list(first.membrane),
        "threshold": list(first.threshold),
        "distance": list(first.distance),
        "by_law": list(first.by_law),
        "rounding": first.excused,
    }


def sentence(found: Difference) -> str:
    """The verdict in one line."""
    if found.verdict == "identical":
        return "identical in every output"
    if found.verdict == "rounding":
        return f"{found.differing} outputs differ by rounding"
    return f"they differ in {found.differing} outputs, beyond rounding"


def number(value: float | None) -> str:
    """With the digits in which membranes part."""
    return "?" if value is None else f"{value:.9g}"


def where(first: Divergence) -> str:
    """Layer, step, neuron."""
    neuron = ", ".join(map(str, first.neuron))
    return f"{first.layer}, step {first.step}, neuron ({neuron}), a sample of kind {first.kind}"


def fact_lines(cause: Cause) -> list[str]:
    """What speaks for a cause."""
    lines = [f"in {', '.join(cause.layers)}"]
    if cause.bits:
        lines.append(
            f"explains {integer(cause.explained)} of {integer(cause.bits)} outputs that break the "
            f"law there ({percent(cause.share)})"
        )
    elif cause.share:
        lines.append(f"explains {percent(cause.share)} of the membranes that break the law there")
    if cause.told:
        lines.append("the parameters of both sides say so")
    if cause.rivals:
        lines.append(f"these explain as much: {', '.join(cause.rivals)}")
    return lines
