"""Scores from what arrives at the Output in all steps."""

from typing import TYPE_CHECKING, cast

import numpy as np

from neurorobust.ir import Model, Output, Program

if TYPE_CHECKING:
    from neurorobust.formats.onnx.writer import Sheet


def write_scores(sheet: "Sheet", model: Model, arrived: str, out: str) -> None:
    """Append the readout of the Output.

    Args:
        sheet: The graph around the steps.
        model: States readout and, for a Program, the unit of scores.
        arrived: Name of the values (batch, steps, classes).
        out: Name of the scores (batch, classes).
    """
    node = cast("Output", model.nodes[model.output])
    value = _first(sheet, arrived) if node.readout == "first" else arrived
    if isinstance(model, Program) or node.readout == "first":
        value = sheet.op("CastLike", value, _scores_like(sheet, model, arrived))
    match node.readout:
        case "count":
            value = sheet.op("ReduceSum", value, sheet.integers([1]), keepdims=0)
        case "mean":
            value = sheet.op("ReduceMean", value, sheet.integers([1]), keepdims=0)
        case "max":
            value = sheet.op("ReduceMax", value, sheet.integers([1]), keepdims=0)
        case "last":
            value = sheet.op("Gather", value, sheet.integers(-1), axis=1)
    if isinstance(model, Program) and model.score_unit != 1:
        value = sheet.op("Mul", value, sheet.constant(model.score_unit, np.float64))
    sheet.op("Identity", value, out=out)


def _scores_like(sheet: "Sheet", model: Model, arrived: str) -> str:
    return sheet.constant(0, np.float64) if isinstance(model, Program) else arrived


def _first(sheet: "Sheet", arrived: str) -> str:
    """``T - step of the first spike``, 0 without one, in int64."""
    silent = sheet.op("Equal", arrived, sheet.op("CastLike", sheet.integers(0), arrived))
    fired = sheet.cast(sheet.op("Not", silent), np.uint8)
    steps = sheet.op("Shape", arrived, start=1, end=2)
    left = sheet.op("Sub", steps, sheet.op("ArgMax", fired, axis=1, keepdims=0))
    whole = sheet.cast(fired, np.int64)
    any_ = sheet.op("ReduceMax", whole, sheet.integers([1]), keepdims=0)
    return sheet.op("Mul", left, any_)
