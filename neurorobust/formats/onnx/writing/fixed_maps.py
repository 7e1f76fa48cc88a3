"""The ends and synapses of a Program in int64, with every wrap and shift written out.

ONNX divides integers towards zero, as Lava does; ``Mod`` takes the sign of the divisor, which makes
a shift to the right that floors; a cast to int32 keeps the low bits.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from neurorobust import ir
from neurorobust.formats.onnx.writing.cell import Cell, Laws, Written
from neurorobust.formats.onnx.writing.float_maps import convolution as float_convolution
from neurorobust.formats.onnx.writing.float_maps import flatten, output
from neurorobust.formats.onnx.writing.windows import correlate
from neurorobust.ir.fixed import DELAY_MAX, STATE_LIMIT

if TYPE_CHECKING:
    from neurorobust.formats.onnx.writing.writer import Sheet

WORD = 1 << 31
"""Below this, 32 bits wrap nothing."""


def w32(sheet: "Sheet", value: str) -> str:
    """The low 32 bits, as a signed number."""
    return sheet.cast(sheet.cast(value, np.int32), np.int64)


def shifted_right(sheet: "Sheet", value: str, divisor: str) -> str:
    """``floor(value / divisor)``."""
    whole = sheet.op("Sub", value, sheet.op("Mod", value, divisor))
    return sheet.op("Div", whole, divisor)


def encode(cell: Cell) -> str:
    """``q = clip(round((x - offset) scale), low, high)``, half to even."""
    node, sheet = cast("ir.FixedInput", cell.node), cell.sheet

    def real(value: float) -> str:
        return sheet.constant(value, np.float64)

    x = sheet.op("Sub", cell.x, real(node.offset)) if node.offset else cell.x
    x = sheet.op("Mul", x, real(node.scale)) if node.scale != 1 else x
    x = sheet.op("Clip", sheet.op("Round", x), real(node.low), real(node.high))
    return sheet.cast(x, np.int64)


def dense(cell: Cell) -> Written:
    """``y = w32(W x 2^weight_exp)``."""
    node = cast("ir.FixedDense", cell.node)
    weight = _columns(cell, _effective(cell))
    return Written(_scaled(cell, _message(cell, node), weight, node.weight_exp))


def delay_dense(cell: Cell) -> Written:
    """The same for the synapses of each delay by themselves, and then the sum over the delays."""
    node, sheet = cast("ir.FixedDelayDense", cell.node), cell.sheet
    message, longest = _message(cell, node), int(node.delay.max())
    weight, delay = _effective(cell), cell.parameter("delay")
    past = cell.state("past", shape=(longest, *cell.given), dtype=cell.sums) if longest else ""
    total = ""
    for k in np.unique(node.delay).tolist():

        def of_delay(s: "Sheet", k: int = k) -> str:
            mine = s.op("Equal", delay, s.integers(k))
            return s.op("Mul", weight, s.cast(mine, np.int64))

        own = _columns(cell, cell.prepared(f"delay {k}", of_delay), f"columns {k}")
        x = sheet.op("Gather", past, sheet.integers(k - 1), axis=1) if k else message
        part = _scaled(cell, x, own, node.weight_exp)
        total = sheet.op("Add", total, part) if total else part
    if longest:
        cell.keep("past", pushed(sheet, past, message, longest))
    fits = (cell.largest << max(node.weight_exp, 0)) + DELAY_MAX < WORD
    return Written(total if fits else w32(sheet, total))


def pushed(sheet: "Sheet", past: str, latest: str, length: int) -> str:
    """The values (B, length, ...) of the last steps, the latest first."""
    first = sheet.op("Unsqueeze", latest, sheet.integers([1]))
    if length == 1:
        return sheet.op("Identity", first)
    kept = sheet.op(
        "Slice", past, sheet.integers([0]), sheet.integers([length - 1]), sheet.integers([1])
    )
    return sheet.op("Concat", first, kept, axis=1)


def convolution(cell: Cell) -> Written:
    """``y = w24(conv(x, W))``."""
    node, sheet = cast("ir.FixedConv2d", cell.node), cell.sheet
    if cell.sums is np.int64:
        total = correlate(cell, node)
    else:
        floats = replace(cell, x=sheet.cast(cell.x, cell.sums), dtype=cell.sums)
        total = sheet.cast(float_convolution(floats).output, np.int64)
    if cell.largest < STATE_LIMIT:
        return Written(total)
    return Written(_wrapped(sheet, total, STATE_LIMIT))


def _wrapped(sheet: "Sheet", value: str, limit: int) -> str:
    """``(value + limit) mod (2 limit) - limit``: the low bits, as a signed number."""
    low = sheet.op("Mod", sheet.op("Add", value, sheet.integers(limit)), sheet.integers(2 * limit))
    return sheet.op("Sub", low, sheet.integers(limit))


def _message(cell: Cell, node: ir.FixedDense) -> str:
    """What an input says to the synapses: without messages, any but 0 is one spike."""
    if node.message_bits:
        return cell.x if cell.sums is np.int64 else cell.sheet.cast(cell.x, cell.sums)
    silent = cell.sheet.op("Equal", cell.x, cell.sheet.integers(0))
    return cell.sheet.cast(cell.sheet.op("Not", silent), cell.sums)


def _effective(cell: Cell) -> str:
    """The weights that act: clipped to their sign mode, without the bits that are not stored."""
    node, stored = cast("ir.FixedDense", cell.node), cell.parameter("weight")
    if np.array_equal(node.effective_weight, node.weight):
        return stored
    mixed = node.sign_mode == "mixed"
    step = 1 << (8 - node.weight_bits + mixed)

    def act(s: "Sheet") -> str:
        sign = s.integers(-1 if node.sign_mode == "inh" else 1)
        magnitude = s.op("Mul", sign, stored)
        # No Clip: onnxruntime 1.31 fails on integers beyond 32 bits.
        for beyond, end in (("Less", -256 if mixed else 0), ("Greater", 255)):
            limit = s.integers(end)
            magnitude = s.op("Where", s.op(beyond, magnitude, limit), limit, magnitude)
        kept = s.op("Sub", magnitude, s.op("Mod", magnitude, s.integers(step)))
        return s.op("Mul", sign, kept)

    return cell.prepared("acting", act)


def _columns(cell: Cell, weight: str, what: str = "columns") -> str:
    """A matrix (in, out), in the type of the sums."""

    def turned(s: "Sheet") -> str:
        columns = s.op("Transpose", weight, perm=(1, 0))
        return columns if cell.sums is np.int64 else s.cast(columns, cell.sums)

    return cell.prepared(what, turned)


def _scaled(cell: Cell, x: str, columns: str, exponent: int) -> str:
    """``w32(w32(x W) 2^exponent)``; a negative exponent floors."""
    sheet = cell.sheet
    total = sheet.op("MatMul", x, columns)
    if cell.sums is not np.int64:
        total = sheet.cast(total, np.int64)
    if exponent > 0:
        total = sheet.op("Mul", total, sheet.integers(1 << exponent))
    if cell.largest << max(exponent, 0) < WORD:
        kept = total
    elif cell.sums is np.int64:
        kept = w32(sheet, total)
    else:  # onnxruntime makes one cast of neighbours, and floats do not wrap in a cast
        kept = _wrapped(sheet, total, WORD)
    if exponent < 0:
        kept = shifted_right(sheet, kept, sheet.integers(1 << -exponent))
    return kept


FIXED_MAP_LAWS: Laws = {
    ir.Flatten: flatten,
    ir.Output: output,
    ir.FixedDense: dense,
    ir.FixedDelayDense: delay_dense,
    ir.FixedConv2d: convolution,
}
