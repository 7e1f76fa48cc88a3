"""The integer neurons as functions of the file: ``FixedLIF``, ``FixedTernaryLIF``, ``FixedLI``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

import numpy as np

from neurorobust.formats.onnx.writing.cell import Cell, Laws, Written
from neurorobust.formats.onnx.writing.fixed_maps import shifted_right, w32
from neurorobust.ir import FixedLI, FixedLIF, FixedNeuron, FixedTernaryLIF
from neurorobust.ir.fixed import DECAY_ONE, STATE_LIMIT, STATE_SHIFT

if TYPE_CHECKING:
    from neurorobust.formats.onnx.writing.writer import Sheet

_LAW = (
    "Integer CuBa neuron of Loihi, one step: x = w32(trunc0(u (4095 - du) / 4096) + w32(64 a)); "
    "u = x wrapped once by 2^24; v = clip(w32(trunc0(v (4096 - dv) / 4096) + u + bias), 24 bits)"
)
_FIRES = {
    FixedLIF: "; s = v > 64 vth sets v to 0.",
    FixedTernaryLIF: "; s = (v > 64 vth_high) - (v < 64 vth_low) sets v to 0.",
    FixedLI: "; s = v.",
}
_THRESHOLDS = {FixedLIF: ("vth",), FixedTernaryLIF: ("vth_low", "vth_high"), FixedLI: ()}


def neuron(cell: Cell) -> Written:
    """One population."""
    node = cast("FixedNeuron", cell.node)
    kind, form = type(node), _Form.of(cell, node)
    states = ("u", "v") if form.current else ("v",)
    parameters = ["dv", *(("du",) if form.current else ()), *_THRESHOLDS[kind]]
    before = {name: _rested(cell, node, cell.state(name)) for name in states}
    given = {name: cell.parameter(name) for name in parameters}
    return cell.call(
        (kind.__name__, form.overload),
        "a",
        before,
        given | ({"bias": _bias(cell)} if form.bias else {}),
        write=lambda sheet: _neuron(sheet, kind, form),
        law=_LAW + _FIRES[kind],
    )


@dataclass(frozen=True, slots=True)
class _Form:
    """What of the law is needed.

    Attributes:
        current: Whether the current is kept from step to step at all.
        bias: Whether there is one.
        wraps: Whether a current can exceed 32 bits. Below, one turn brings it back to 24: what
            arrives then adds at most a whole turn to a current of 24 bits.
        turns: Whether it can exceed 24.
    """

    current: bool
    bias: bool
    wraps: bool
    turns: bool

    @classmethod
    def of(cls, cell: Cell, node: FixedNeuron) -> Self:
        """By the arrays of a node, and the bound of what arrives."""
        current = bool(np.any(node.du != DECAY_ONE - 1))
        drive = cell.largest << STATE_SHIFT
        return cls(
            current=current,
            bias=bool(np.any(node.bias_mant != 0)),
            wraps=drive > 2 * STATE_LIMIT,
            turns=current or drive >= STATE_LIMIT,
        )

    @property
    def overload(self) -> str:
        """Names what is there beyond, or lacking from, the full law."""
        named = {
            "bias": self.bias,
            "memoryless": not self.current,
            "small": not self.wraps,
            "smaller": not self.turns,
        }
        return ".".join(name for name, applies in named.items() if applies)


def _rested(cell: Cell, node: FixedNeuron, state: str) -> str:
    """The state, or 0 before the steps on which a periodic reset falls."""
    if not node.reset_interval:
        return state
    sheet = cell.sheet
    phase = sheet.op("Mod", cell.clock(), sheet.integers(node.reset_interval))
    now = sheet.op("Equal", phase, sheet.integers(node.reset_offset))
    return sheet.op("Where", now, sheet.integers(0), state)


def _bias(cell: Cell) -> str:
    """``w32(bias_mant 2^bias_exp)``; a negative exponent floors."""
    mant, exp = cell.parameter("bias_mant"), cell.parameter("bias_exp")

    def bias(s: "Sheet") -> str:
        two, none = s.integers(2), s.integers(0)
        up = s.op("Pow", two, s.op("Max", exp, none))
        down = s.op("Pow", two, s.op("Max", s.op("Neg", exp), none))
        return w32(s, shifted_right(s, s.op("Mul", mant, up), down))

    return cell.prepared("bias", bias)


def _neuron(sheet: "Sheet", kind: type[FixedNeuron], form: _Form) -> None:
    def decayed(state: str, decay: str, one: int) -> str:
        kept = sheet.op("Mul", state, sheet.op("Sub", sheet.integers(one), decay))
        return sheet.op("Div", kept, sheet.integers(DECAY_ONE))  # truncates towards zero

    def word(value: str) -> str:
        return w32(sheet, value) if form.wraps else value

    u = word(sheet.op("Mul", "a", sheet.integers(1 << STATE_SHIFT)))
    if form.current:
        u = word(sheet.op("Add", decayed("u", "du", DECAY_ONE - 1), u))
    if form.turns:
        over = sheet.cast(sheet.op("Greater", u, sheet.integers(STATE_LIMIT)), np.int64)
        under = sheet.cast(sheet.op("LessOrEqual", u, sheet.integers(-STATE_LIMIT)), np.int64)
        turns = sheet.op("Mul", sheet.op("Sub", over, under), sheet.integers(2 * STATE_LIMIT))
        u = sheet.op("Sub", u, turns)
    if form.current:
        sheet.op("Identity", u, out="u_next")
    v = sheet.op("Add", decayed("v", "dv", DECAY_ONE), u)
    if form.bias:
        v = sheet.op("Add", v, "bias")
    if form.bias or form.wraps:
        v = w32(sheet, v)
    h = sheet.op("Clip", v, sheet.integers(1 - STATE_LIMIT), sheet.integers(STATE_LIMIT - 1))
    sheet.op("Identity", h, out="h")
    if kind is FixedLI:
        sheet.op("Identity", h, out="s")
        sheet.op("Identity", h, out="v_next")
        return

    def threshold(name: str) -> str:
        return sheet.op("Mul", name, sheet.integers(1 << STATE_SHIFT))

    if kind is FixedLIF:
        fired = sheet.op("Greater", h, threshold("vth"))
        sheet.op("Identity", sheet.cast(fired, np.int64), out="s")
    else:
        above = sheet.op("Greater", h, threshold("vth_high"))
        below = sheet.op("Less", h, threshold("vth_low"))
        fired = sheet.op("Or", above, below)
        signs = sheet.cast(above, np.int64), sheet.cast(below, np.int64)
        sheet.op("Sub", *signs, out="s")
    sheet.op("Where", fired, sheet.integers(0), h, out="v_next")


FIXED_NEURON_LAWS: Laws = {FixedLIF: neuron, FixedTernaryLIF: neuron, FixedLI: neuron}
