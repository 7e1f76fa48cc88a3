"""Event frames as lists of events ``(t, x, y, p)`` and back, for chips and recorders."""

import numpy as np

from neurorobust.errors import InvalidInput
from neurorobust.ir import Array

EVENT = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "<i2")])
"""Microseconds, column, row, channel."""


def to_events(frames: Array, dt_s: float) -> Array:
    """Events of one sample, in order of time; a count of n gives n events at the bin's centre.

    Args:
        frames: Counts, shape (T, channels, height, width).
        dt_s: Duration of a bin, at least 1 µs.

    Raises:
        InvalidInput: for another shape, counts that are no whole numbers from 0, or shorter bins.
    """
    step = _microseconds(dt_s)
    if frames.ndim != 4 or (frames < 0).any() or (frames != np.rint(frames)).any():
        msg = f"events come from whole counts (T, channels, H, W), got shape {frames.shape}"
        raise InvalidInput(msg)
    counts = frames.astype(np.int64)
    places = np.nonzero(counts)
    t, p, y, x = (np.repeat(axis, counts[places]) for axis in places)
    events = np.zeros(len(t), EVENT)
    events["t"], events["x"], events["y"], events["p"] = t * step + step // 2, x, y, p
    return events


def to_frames(events: Array, shape: tuple[int, int, int, int], dt_s: float) -> Array:
    """Counts (T, channels, height, width), float64, of a list of events.

    Raises:
        InvalidInput: if an event lies outside the frames.
    """
    step = _microseconds(dt_s)
    index = (events["t"] // step, events["p"], events["y"], events["x"])
    if any(((i < 0) | (i >= size)).any() for i, size in zip(index, shape, strict=True)):
        raise InvalidInput(f"an event lies outside the frames of shape {shape}")
    frames = np.zeros(shape)
    np.add.at(frames, index, 1)
    return frames


def _microseconds(dt_s: float) -> int:
    step = round(dt_s * 1e6)
    if step < 1 or abs(step - dt_s * 1e6) > 1e-6 * step:
        msg = f"dt_s is {dt_s}; events have whole microseconds, so bins take at least 1e-6 s"
        raise InvalidInput(msg)
    return step
