"""LIF and LI as functions of the file, in the order of operations of ``ir.neurons``.

A function ``ai.neurorobust::LIF`` has one overload per form of the neuron that occurs: which
comparison, which reset, and what is not at its neutral value.
"""

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from neurorobust.formats.onnx.writing.cell import Cell, Laws, Written
from neurorobust.ir import LI, LIF

if TYPE_CHECKING:
    from neurorobust.formats.onnx.writing.writer import Sheet


def lif(cell: Cell) -> Written:
    """One population of LIF neurons."""
    node = cast("LIF", cell.node)
    parameters = _parameters(node)
    start = {"v": "v_init", "i": "i_init"}
    return cell.call(
        ("LIF", _overload(node, parameters)),
        "x",
        {name: cell.state(name, start.get(name)) for name in _states(node)},
        {name: cell.parameter(name) for name in parameters},
        write=lambda sheet: _lif(sheet, node, parameters, cell.dtype),
        law=_LAW,
    )


def li(cell: Cell) -> Written:
    """One population of leaky integrators; the output is the membrane."""
    node = cast("LI", cell.node)
    parameters = ["beta", *_beyond_neutral(node, "gain_in", "bias")]
    overload = ".".join(parameters[1:])

    def write(sheet: "Sheet") -> None:
        drive = sheet.op("Mul", "gain_in", "x") if "gain_in" in parameters else "x"
        decayed = sheet.op("Mul", "beta", "v")
        if "bias" in parameters:
            decayed, drive = sheet.op("Add", decayed, drive), "bias"
        sheet.op("Add", decayed, drive, out="y")

    cell.document.function("LI", overload, (["x", "v", *parameters], ["y"]), write, _LI_LAW)
    before = cell.state("v", "v_init")
    given = [cell.parameter(name) for name in parameters]
    (y,) = cell.sheet.call("LI", overload, [cell.x, before, *given], 1)
    cell.keep("v", y)
    return Written(y, y)


_LAW = (
    "Leaky integrate-and-fire neuron, one step: i = alpha i + gain_in x; h = beta v + gain_syn i "
    "+ bias; s spikes of h at the threshold; v after the reset, at least v_min."
)
_LI_LAW = "Leaky integrator, one step: y = beta v + gain_in x + bias."


def _beyond_neutral(node: LIF | LI, *names: str) -> list[str]:
    """Gains that are not 1 and biases that are not 0."""
    neutral = {"bias": 0}
    return [n for n in names if bool(np.any(node.arrays()[n] != neutral.get(n, 1)))]


def _late(node: LIF) -> bool:
    return node.reset_timing == "next" and node.reset != "none"


def _states(node: LIF) -> list[str]:
    """Names of what goes from step to step."""
    kept = (("i", node.alpha is not None), ("fired", _late(node)), ("rest", node.refractory > 0))
    return ["v", *(name for name, used in kept if used)]


def _parameters(node: LIF) -> list[str]:
    optional: list[str] = [name for name in ("alpha", "v_min") if name in node.arrays()]
    reset = node.reset != "none" or node.refractory > 0
    if node.reset_value is not None and reset:
        optional.append("reset_value")
    return ["beta", "threshold", *optional, *_beyond_neutral(node, "gain_in", "gain_syn", "bias")]


def _overload(node: LIF, parameters: list[str]) -> str:
    parts = [node.reset, node.reset_timing, "gt" if node.compare == ">" else "ge", *parameters[2:]]
    if node.max_spikes > 1:
        parts.append(f"max{node.max_spikes}")
    if node.refractory:
        parts.append(f"rest{node.refractory}")
    return ".".join(parts)


def _lif(sheet: "Sheet", node: LIF, parameters: list[str], dtype: Any) -> None:
    def scaled(gain: str, value: str) -> str:
        return sheet.op("Mul", gain, value) if gain in parameters else value

    def zero() -> str:
        return sheet.constant(0, dtype)

    def as_number(condition: str) -> str:
        return sheet.cast(condition, dtype)

    def reset(h: str, fired: str, *, condition: str | None = None) -> str:
        if node.reset == "none":
            return h
        if node.reset == "hard":
            where = condition or sheet.op("Greater", fired, zero())
            return sheet.op("Where", where, target, h)
        return sheet.op("Sub", h, sheet.op("Mul", target, fired))

    target = _target(sheet, node, dtype) if node.reset != "none" else ""
    i = scaled("gain_in", "x")
    if "alpha" in parameters:
        i = sheet.op("Add", sheet.op("Mul", "alpha", "i"), i, out="i_next")
    h = sheet.op("Add", sheet.op("Mul", "beta", "v"), scaled("gain_syn", i))
    if "bias" in parameters:
        h = sheet.op("Add", h, "bias")
    if _late(node):
        h = reset(h, "fired")
    resting = sheet.op("Greater", "rest", zero()) if node.refractory else None
    if resting:
        h = sheet.op("Where", resting, target, h)
    sheet.op("Identity", h, out="h")
    condition: str | None = None
    if node.max_spikes == 1:
        kind = "Greater" if node.compare == ">" else "GreaterOrEqual"
        condition = sheet.op(kind, h, "threshold")
        if resting:
            condition = sheet.op("And", condition, sheet.op("Not", resting))
        spikes = as_number(condition)
    else:
        spikes = _count(sheet, node, h, dtype)
        if resting:
            spikes = sheet.op("Where", resting, zero(), spikes)
    sheet.op("Identity", spikes, out="s")
    v = h if _late(node) else reset(h, spikes, condition=condition)
    if "v_min" in parameters:
        v = sheet.op("Max", v, "v_min")
    sheet.op("Identity", v, out="v_next")
    if _late(node):
        sheet.op("Identity", spikes, out="fired_next")
    if node.refractory:
        fired = condition or sheet.op("Greater", spikes, zero())
        one, whole = sheet.constant(1, dtype), sheet.constant(node.refractory, dtype)
        less = sheet.op("Max", sheet.op("Sub", "rest", one), zero())
        sheet.op("Where", fired, whole, less, out="rest_next")


def _target(sheet: "Sheet", node: LIF, dtype: Any) -> str:
    """The hard target or the soft amount."""
    if node.reset_value is not None:
        return "reset_value"
    return "threshold" if node.reset == "soft" else sheet.constant(0, dtype)


def _count(sheet: "Sheet", node: LIF, h: str, dtype: Any) -> str:
    """Whole thresholds below h, at most ``max_spikes``."""
    count = sheet.op("Div", h, "threshold")
    if node.compare == ">":
        count = sheet.op("Sub", sheet.op("Ceil", count), sheet.constant(1, dtype))
    else:
        count = sheet.op("Floor", count)
    return sheet.op("Clip", count, sheet.constant(0, dtype), sheet.constant(node.max_spikes, dtype))


NEURON_LAWS: Laws = {LIF: lif, LI: li}
