"""The inner loops, compiled at their first call.

Values are (B, T or 1, N) with one sample's steps in one piece. Inputs are int8 or int32, sums int32
that wrap; numba computes in int64 and the assignment keeps the low bits.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numba import njit

from neurorobust.ir import Array
from neurorobust.ir.fixed import DECAY_ONE, STATE_LIMIT, STATE_SHIFT

F = TypeVar("F", bound=Callable[..., object])

BLOCK = 1024
"""Neurons whose state is kept in the nearest cache while all steps pass."""
ROWS = 4
"""Rows of weights that are added at a time."""
TOP = STATE_LIMIT - 1
SPAN = 2 * STATE_LIMIT
DECAY_BITS = DECAY_ONE.bit_length() - 1
FRACTION = DECAY_ONE - 1


def kernel(function: F) -> F:
    """Compile without the interpreter's lock; the machine code is kept for other processes."""
    return cast("F", njit(cache=True, nogil=True, error_model="numpy")(function))


@kernel
def encode(
    values: Array, offset: float, scale: float, low: float, high: float, codes: Array
) -> bool:
    """Integers ``clip(round((x - offset) scale), low, high)``, channels last; False at a NaN.

    Args:
        values: (B, T, C, P) float64.
        offset: See FixedInput.
        scale: See FixedInput.
        low: See FixedInput.
        high: See FixedInput.
        codes: Filled, (B, T, P C).
    """
    samples, steps, channels, points = values.shape
    numbers, whole = True, np.empty(points, codes.dtype)
    for b in range(samples):
        for t in range(steps):
            for c in range(channels):
                row = values[b, t, c]
                for p in range(points):
                    x = np.rint((row[p] - offset) * scale)
                    numbers &= x == x  # noqa: PLR0124  # NaN alone differs from itself
                    whole[p] = min(max(x, low), high)
                for p in range(points):
                    codes[b, t, p * channels + c] = whole[p]
    return numbers


@kernel
def channels_first(x: Array, channels: int, start: int, stop: int, out: Array) -> None:
    """Images (B, T or 1, P C) in these steps as ``out`` (B, T or 1, C P)."""
    samples, given, size = x.shape
    points = size // channels
    for b in range(samples):
        for t in range(start, stop):
            row, y = x[b, t if given > 1 else 0], out[b, t]
            for c in range(channels):
                for p in range(points):
                    y[c * points + p] = row[p * channels + c]


@kernel
def _events(row: Array, busy: Array, events: Array) -> np.uint64:
    """Positions of the entries other than 0, in order; their number. No branch depends on them."""
    per_word = 8 // row.itemsize
    whole = row.size // per_word * per_word
    words = row[:whole].view(np.uint64)
    found = np.uint64(0)
    for i in range(words.size):
        busy[found] = i
        found += np.uint64(words[i] != 0)
    count = np.uint64(0)
    for m in range(found):
        first = busy[m] * np.uint32(per_word)
        for i in range(np.uint32(per_word)):
            events[count] = first + i
            count += np.uint64(row[first + i] != 0)
    for i in range(whole, row.size):
        events[count] = i
        count += np.uint64(row[i] != 0)
    return count


@kernel
def _shift(y: Array, left: int, right: int) -> None:
    """``w32(y 2^left) / 2^right``, floored."""
    if left or right:
        for n in range(y.size):
            y[n] = np.int32(y[n] << left) >> right


@kernel
def dense(
    x: Array, weight: Array, single: bool, left: int, right: int, start: int, stop: int, out: Array
) -> None:
    """``y = w32(W m 2^left) / 2^right``, floored; by rows of the weights of what is not silent.

    Args:
        x: (B, T or 1, in).
        weight: (in, out), int16.
        single: Whether any input other than 0 counts as one spike.
        left: Bits by which sums are shifted up.
        right: Bits by which sums are shifted down after that.
        start: First step.
        stop: Behind the last step.
        out: Filled in these steps, (B, T, out), int32.
    """
    samples, given, inputs = x.shape
    busy, events = np.empty(inputs + ROWS, np.uint32), np.empty(inputs + ROWS, np.uint32)
    sizes = np.empty(inputs + ROWS, np.int32)
    for b in range(samples):
        for t in range(start, stop):
            row, y = x[b, t if given > 1 else 0], out[b, t]
            count = _events(row, busy, events)
            for m in range(count):
                sizes[m] = 1 if single else row[events[m]]
            for m in range(count, count + np.uint64(ROWS)):
                events[m], sizes[m] = 0, 0
            for n in range(y.size):
                y[n] = 0
            for m in range(np.uint64(0), count, np.uint64(ROWS)):
                a, b_, c, d = sizes[m], sizes[m + 1], sizes[m + 2], sizes[m + 3]
                wa, wb = weight[events[m]], weight[events[m + 1]]
                wc, wd = weight[events[m + 2]], weight[events[m + 3]]
                for n in range(y.size):
                    y[n] = np.int32(
                        y[n]
                        + a * np.int32(wa[n])
                        + b_ * np.int32(wb[n])
                        + c * np.int32(wc[n])
                        + d * np.int32(wd[n])
                    )
            _shift(y, left, right)


@kernel
def spans(
    x: Array,
    weight: Array,
    place: Array,
    channel: Array,
    row_ends: Array,
    rows: Array,
    column_ends: Array,
    columns: Array,
    single: bool,
    left: int,
    right: int,
    start: int,
    stop: int,
    out: Array,
) -> None:
    """As ``dense``, where each input reaches few outputs, in runs; see ``SpanTable``."""
    samples, given, inputs = x.shape
    busy, events = np.empty(inputs + ROWS, np.uint32), np.empty(inputs + ROWS, np.uint32)
    for b in range(samples):
        for t in range(start, stop):
            row, y = x[b, t if given > 1 else 0], out[b, t]
            for n in range(y.size):
                y[n] = 0
            for m in range(_events(row, busy, events)):
                at = events[m]
                size = np.int32(1) if single else np.int32(row[at])
                i, j, c = place[at, 0], place[at, 1], place[at, 2]
                for r in range(row_ends[i], row_ends[i + np.uint32(1)]):
                    to_row = rows[r, 0] + channel[c, 0]
                    from_row = rows[r, 1] + channel[c, 1]
                    for k in range(column_ends[j], column_ends[j + np.uint32(1)]):
                        to, of = to_row + columns[k, 0], from_row + columns[k, 1]
                        length = columns[k, 2]
                        if length < np.uint32(ROWS):
                            for n in range(length):
                                y[to + n] = np.int32(y[to + n] + size * weight[of + n])
                        else:
                            target, taps = y[to : to + length], weight[of : of + length]
                            for n in range(length):
                                target[n] = np.int32(target[n] + size * taps[n])
            _shift(y, left, right)


@kernel
def scattered(
    x: Array,
    weight: Array,
    target: Array,
    single: bool,
    left: int,
    right: int,
    start: int,
    stop: int,
    out: Array,
) -> None:
    """As ``dense``, where each input reaches one output at most, as in a pooling layer.

    Args:
        x: (B, T or 1, in).
        weight: (in,), int32; 0 where an input reaches none.
        target: Which output each input reaches, (in,).
        single: As in ``dense``.
        left: As in ``dense``.
        right: As in ``dense``.
        start: First step.
        stop: Behind the last step.
        out: Filled in these steps, (B, T, out), int32.
    """
    samples, given, inputs = x.shape
    busy, events = np.empty(inputs + ROWS, np.uint32), np.empty(inputs + ROWS, np.uint32)
    for b in range(samples):
        for t in range(start, stop):
            row, y = x[b, t if given > 1 else 0], out[b, t]
            for n in range(y.size):
                y[n] = 0
            for m in range(_events(row, busy, events)):
                at = events[m]
                size = np.int32(1) if single else np.int32(row[at])
                to = target[at]
                y[to] = np.int32(y[to] + size * weight[at])
            _shift(y, left, right)


@kernel
def delayed(
    x: Array,
    weight: Array,
    which: Array,
    delays: Array,
    single: bool,
    left: int,
    right: int,
    start: int,
    stop: int,
    pending: Array,
    out: Array,
) -> None:
    """As ``dense``, each synapse with its delay; sums of equal delay are shifted by themselves.

    Args:
        x: (B, T or 1, in).
        weight: (in, out), int16.
        which: (in, out): index into ``delays``.
        delays: The delays that occur, (K,).
        single: As in ``dense``.
        left: As in ``dense``.
        right: As in ``dense``.
        start: First step.
        stop: Behind the last step.
        pending: What is on its way, (B, longest delay + 1, out), int32; changed.
        out: Filled in these steps, (B, T, out), int32.
    """
    samples, given, inputs = x.shape
    busy, events = np.empty(inputs + ROWS, np.uint32), np.empty(inputs + ROWS, np.uint32)
    depth, size_out = pending.shape[1], out.shape[2]
    slots = np.empty((len(delays), size_out), np.int32)
    for b in range(samples):
        for t in range(start, stop):
            row = x[b, t if given > 1 else 0]
            slots[:] = 0
            for m in range(_events(row, busy, events)):
                at = events[m]
                size = np.int32(1) if single else np.int32(row[at])
                w, slot = weight[at], which[at]
                for n in range(size_out):
                    slots[slot[n], n] = np.int32(slots[slot[n], n] + size * np.int32(w[n]))
            for k in range(len(delays)):
                due = pending[b, (t + delays[k]) % depth]
                for n in range(size_out):
                    due[n] = np.int32(due[n] + (np.int32(slots[k, n] << left) >> right))
            now, y = pending[b, t % depth], out[b, t]
            for n in range(size_out):
                y[n], now[n] = now[n], 0


@kernel
def _decayed(x: np.int32, kept: np.int32) -> np.int32:
    """``trunc0(x kept / 4096)`` within 32 bits: the twelve lowest bits are multiplied apart."""
    up = np.int32((x >> 31) & FRACTION)  # what makes a floor of a negative number round up
    low = np.int32(np.int32((x & FRACTION) * kept) + up) >> DECAY_BITS
    return np.int32(np.int32((x >> DECAY_BITS) * kept) + low)


@kernel
def neurons(
    a: Array,
    u: Array,
    v: Array,
    laws: Array,
    lasting: bool,
    interval: int,
    offset: int,
    start: int,
    stop: int,
    spikes: Array,
    membrane: Array | None,
    wrapped: Array | None,
    saturated: Array | None,
) -> None:
    """The neuron of ``FixedNeuron``, and which thresholds it crosses.

    Args:
        a: What arrives, (B, T or 1, N): int32, or int64 before it wraps.
        u: Currents, (B, N), int32; changed.
        v: Membranes after reset, (B, N), int32; changed.
        laws: (5, N), int32: ``4095 - du``, ``4096 - dv``, the bias, the thresholds above and below.
        lasting: Whether currents outlast their step anywhere.
        interval: Steps between resets, 0 for none.
        offset: First step that starts from rest.
        start: First step.
        stop: Behind the last step.
        spikes: Filled in these steps, (B, T, N), int8.
        membrane: Filled likewise with membranes before reset, int32; None for no such record.
        wrapped: (B,), int64: steps in which a neuron lost bits are added; None with ``membrane``.
        saturated: (B,), int64: steps in which a membrane was clipped, likewise.
    """
    samples, given, size = a.shape
    for b in range(samples):
        for first in range(0, size, BLOCK):
            here = slice(first, min(first + BLOCK, size))
            current, potential = u[b, here], v[b, here]
            kept_u, kept_v, bias = laws[0, here], laws[1, here], laws[2, here]
            above, below = laws[3, here], laws[4, here]
            for t in range(start, stop):
                if interval > 0 and t % interval == offset:
                    current[:] = 0
                    potential[:] = 0
                arrived, s = a[b, t if given > 1 else 0, here], spikes[b, t, here]
                if membrane is None or wrapped is None or saturated is None:
                    for n in range(s.size):
                        x = np.int32(arrived[n] << STATE_SHIFT)
                        if lasting:
                            x = np.int32(x + _decayed(current[n], kept_u[n]))
                        x = np.int32(x - SPAN * (x > STATE_LIMIT) + SPAN * (x <= -STATE_LIMIT))
                        h = np.int32(_decayed(potential[n], kept_v[n]) + x + bias[n])
                        h = min(max(h, np.int32(-TOP)), np.int32(TOP))
                        fired = np.int8(h > above[n]) - np.int8(h < below[n])
                        if lasting:
                            current[n] = x
                        s[n], potential[n] = fired, np.int32(0) if fired else h
                else:
                    shown = membrane[b, t, here]
                    for n in range(s.size):
                        drive = np.int32(arrived[n])
                        total = np.int64(np.int32(drive << STATE_SHIFT)) + _decayed(
                            current[n], kept_u[n]
                        )
                        x = np.int32(total)
                        lost = drive != arrived[n] or x != total
                        lost |= np.int32(drive << STATE_SHIFT) != np.int64(drive) << STATE_SHIFT
                        lost |= x > STATE_LIMIT or x <= -STATE_LIMIT
                        x = np.int32(x - SPAN * (x > STATE_LIMIT) + SPAN * (x <= -STATE_LIMIT))
                        h = np.int32(_decayed(potential[n], kept_v[n]) + x + bias[n])
                        wrapped[b] += lost
                        saturated[b] += abs(h) > TOP
                        h = min(max(h, np.int32(-TOP)), np.int32(TOP))
                        fired = np.int8(h > above[n]) - np.int8(h < below[n])
                        current[n], s[n], shown[n] = x, fired, h
                        potential[n] = np.int32(0) if fired else h
