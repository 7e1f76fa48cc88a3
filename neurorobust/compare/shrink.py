"""The smallest input on which two sides still part: fewest steps, then fewest values.

Steps: what comes after the first difference cannot matter; of what comes before, each step is tried
without. Values: delta debugging (Zeller & Hildebrandt, IEEE TSE 28(2), 2002) with zero for absence.
All candidates of a round run as one batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurorobust.ir import Array

Parts = Callable[[Array], Array]
"""From samples (B, T, ...) to whether the sides part on each."""

BATCH = 64
_ROUNDS = 8


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Shrunk:
    """A small input.

    Attributes:
        values: Shape (T, ...).
        original_steps: Of the sample it was made from.
        original_values: Non-zero values in that sample, over all its steps.
        runs: Batches that were run.
    """

    values: Array
    original_steps: int
    original_values: int
    runs: int

    @property
    def steps(self) -> int:
        """T."""
        return len(self.values)

    @property
    def nonzero(self) -> int:
        """Non-zero values, over all steps."""
        return int(np.count_nonzero(self.values))

    @property
    def share(self) -> float:
        """Steps times values, of that of the original."""
        return self.nonzero * self.steps / max(self.original_values * self.original_steps, 1)

    def as_json(self) -> dict[str, Any]:
        """Its size, and the values that are not zero, with step and place."""
        places = np.argwhere(self.values)[:1000].tolist()
        return {
            "steps": self.steps,
            "nonzero": self.nonzero,
            "original_steps": self.original_steps,
            "original_nonzero": self.original_values,
            "share": self.share,
            "values": [
                {"step": t, "index": index, "value": float(self.values[(t, *index)])}
                for t, *index in places
            ],
        }


def shrink(sample: Array, parts: Parts, until: int) -> Shrunk:
    """The smallest form of a sample on which the sides part.

    Args:
        sample: Shape (T, ...).
        parts: Whether they part; true for the sample.
        until: Steps after which they have.
    """
    runs = 0

    def tried(candidates: list[Array]) -> int | None:
        """The first of the candidates, equal in length, on which they part."""
        nonlocal runs
        for start in range(0, len(candidates), BATCH):
            runs += 1
            found = np.flatnonzero(parts(np.stack(candidates[start : start + BATCH])))
            if found.size:
                return start + int(found[0])
        return None

    small = sample
    if tried([sample[:until]]) is not None:
        small = sample[:until]
    for _ in range(_ROUNDS):
        size = small.size, int(np.count_nonzero(small))
        small = _fewer_values(_fewer_steps(small, tried), tried)
        if (small.size, int(np.count_nonzero(small))) == size:
            break
    return Shrunk(
        values=small,
        original_steps=len(sample),
        original_values=int(np.count_nonzero(sample)),
        runs=runs,
    )


def _fewer_steps(small: Array, tried: Callable[[list[Array]], int | None]) -> Array:
    """Without spans of steps: long ones first, later single ones."""
    span = len(small) // 2
    while span:
        starts = range(len(small) - span + 1)
        found = tried([np.delete(small, slice(s, s + span), axis=0) for s in starts])
        if found is None:
            span //= 2
        else:
            small = np.delete(small, slice(found, found + span), axis=0)
            span = min(span, len(small) // 2)
    return small


def _fewer_values(small: Array, tried: Callable[[list[Array]], int | None]) -> Array:
    """Delta debugging: a part alone, then all but a part, in finer and finer parts."""
    flat = small.ravel()
    kept = np.flatnonzero(flat)

    def with_only(indices: Array) -> Array:
        values = np.zeros_like(flat)
        values[indices] = flat[indices]
        return values.reshape(small.shape)

    pieces = 1
    while len(kept):
        parts = np.array_split(kept, pieces)
        found = tried([with_only(part) for part in parts]) if pieces > 1 else None
        if found is not None:
            kept = parts[found]
            pieces = min(2, len(kept))
            continue
        rests = [np.setdiff1d(kept, part) for part in parts]
        found = tried([with_only(rest) for rest in rests])
        if found is not None:
            kept, pieces = rests[found], max(pieces - 1, 1)
        elif pieces >= len(kept):
            break
        else:
            pieces = min(2 * pieces, len(kept))
    return with_only(kept)
