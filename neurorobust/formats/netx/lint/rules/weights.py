"""Weights that are not what the file says."""

from collections.abc import Iterator

import numpy as np

from neurorobust.formats.netx.document import Record
from neurorobust.formats.netx.lint.case import Case
from neurorobust.formats.netx.lint.finding import Seen, rule
from neurorobust.formats.netx.weights import CLIP, acting, acting_recurrent, optimise
from neurorobust.ir import Array


def _compared(case: Case) -> Iterator[tuple[Record, str, Array, Array]]:
    """Every dense matrix: its record and name, as it is in the file, and as it acts."""
    for record, weight, recurrent in case.dense:
        if recurrent is None:
            if weight.any():
                yield record, "weight", weight, acting(weight).values
        elif weight.any() or recurrent.any():
            feed, back = acting_recurrent(weight, recurrent, delayed=False)
            yield record, "weight", weight, feed.values
            yield record, "weight_rec", recurrent, back.values


def _changes(written: Array, acts: Array, where: Array) -> str:
    """The first entry that changes, and how many do."""
    at = tuple(int(i) for i in np.argwhere(where)[0])
    count = int(where.sum())
    more = f", and {count - 1} more of {where.size}" if count > 1 else ""
    return f"entry {written[at]:g} at {list(at)} becomes {acts[at]:g}{more}"


@rule(
    "weights-become-zero",
    "error",
    avoid="keep matrices of one sign within 0..255 or -255..-1 (with zeros and odd entries "
    "-127..0), and the smallest weight off powers of two",
)
def all_become_zero(case: Case) -> Seen:
    """A matrix of one sign that needs more than eight bits is shifted out as a whole."""
    for record, name, written, acts in _compared(case):
        if written.any() and not acts.any():
            low, high = written.min(), written.max()
            yield record.index, f"all {written.size} entries of {name} ({low}..{high}) become 0"


@rule("weights-clipped", "error", avoid="keep matrices of both signs within -256..254")
def clipped(case: Case) -> Seen:
    """Entries beyond the eight bits of a matrix with both signs."""
    for record, name, written, acts in _compared(case):
        over = (written < CLIP[0]) | (written > CLIP[1])
        if acts.any() and (where := over & (written != acts)).any():
            yield record.index, f"{name}: {_changes(written, acts, where)}"


@rule(
    "weight-loses-step",
    "error",
    avoid="keep the smallest weight of a matrix without positive entries off powers of two",
)
def lost_step(case: Case) -> Seen:
    """The most negative entry -2^k of a matrix without positive entries."""
    for record, name, written, acts in _compared(case):
        inside = (written >= CLIP[0]) & (written <= CLIP[1])
        if acts.any() and (where := inside & (written != acts)).any():
            yield record.index, f"{name}: {_changes(written, acts, where)}"


@rule("fractions-cut", "error", avoid="scale to integers before the file is written")
def fractions(case: Case) -> Seen:
    """Numbers that are cut to integers, towards zero."""
    for record in case.records:
        for name in ("weight", "weight_rec", "bias", "delay"):
            value = np.atleast_1d(record.values.get(name, np.zeros(1)))
            if (where := value != np.trunc(value)).any():
                yield record.index, f"{name}: {_changes(value, np.trunc(value), where)}"


@rule(
    "weights-need-nine-bits",
    "warning",
    avoid="use even weights, or keep them within -128..127",
)
def nine_bits(case: Case) -> Seen:
    """Odd weights of both signs beyond 128, which Lava's simulation keeps and eight bits do not."""
    for record, weight, recurrent in case.dense:
        whole = weight if recurrent is None else np.hstack([weight, recurrent])
        if whole.min() < 0 < whole.max() and optimise(whole).bits > 8:
            low, high = whole.min(), whole.max()
            what = f"weights of {low}..{high} with odd entries need nine bits; a chip stores eight"
            yield record.index, what
