"""Two recordings side by side: what differs, where each sample first parts, and what is rounding.

A spike that differs is rounding where the membrane lies within the tolerance of the threshold on
every side that tells it, unless both sides hold the same number, which is then a matter of rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from neurorobust.compare.recording import Pair, Recording
from neurorobust.ir import LIF, Array

Verdict = Literal["identical", "rounding", "systematic"]

ULPS = 256.0
"""Rounding steps that sums may be apart, relative to the largest number of a layer."""


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """A layer's membranes on both sides and the thresholds they are held against.

    Attributes:
        a: Membranes of A, (B, T, n), or None.
        b: Membranes of B.
        threshold_a: Of A's neurons, in the units of its membranes; or None.
        threshold_b: Of B's.
        most: Thresholds that one step may count.
        tolerance: What rounding may do to a membrane.
    """

    a: Array | None
    b: Array | None
    threshold_a: Array | None
    threshold_b: Array | None
    most: int = 1
    tolerance: float = 0.0

    def distances(self) -> tuple[Array | None, Array | None]:
        """Of the membranes to the nearest number at which spikes change, per side."""
        return (
            _distance(self.a, self.threshold_a, self.most),
            _distance(self.b, self.threshold_b, self.most),
        )

    def excused(self) -> Array | None:
        """Where a spike may differ by rounding; None if no side tells."""
        a, b = self.distances()
        if a is None and b is None:
            return None
        if a is None or b is None:
            known = [d for d in (a, b) if d is not None]
            return np.asarray(np.abs(known[0]) <= self.tolerance)
        near = (np.abs(a) <= self.tolerance) & (np.abs(b) <= self.tolerance)
        return np.asarray(near & ~((a == 0) & (b == 0)))


def _distance(h: Array | None, threshold: Array | None, most: int) -> Array | None:
    if h is None or threshold is None:
        return None
    if most > 1:
        threshold = threshold * np.clip(np.rint(h / threshold), 1, most)
    return np.asarray(h - threshold)


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """One pair of layers.

    Attributes:
        pair: The layers.
        differs: Outputs that differ, (B, T, n).
        gap: ``|membrane A - membrane B|`` of a spiking pair where both are recorded.
        levels: Membranes and thresholds.
        excused: Where rounding may flip a spike; None if nobody tells.
    """

    pair: Pair
    differs: Array
    gap: Array | None
    levels: Levels
    excused: Array | None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Comparison:
    """All pairs together.

    Attributes:
        contrasts: In the order of A.
        first: Per sample, step and place among the contrasts of what differs first, (B, 2); the
            step is T where nothing differs.
        parted: Per sample, whether that first difference is beyond rounding.
        systematic: Per sample, whether it or a membrane before it is.
        strays: Per contrast, membranes that part beyond the tolerance before any output does.
        score_differs: Per sample, whether the scores alone differ.
    """

    contrasts: tuple[Contrast, ...]
    first: Array
    parted: Array
    systematic: Array
    strays: tuple[Array, ...]
    score_differs: Array

    def verdict(self, place: int) -> Verdict:
        """Of one pair."""
        contrast = self.contrasts[place]
        if contrast.differs[self.systematic].any() or self.strays[place].any():
            return "systematic"
        moved = contrast.gap is not None and bool(contrast.gap.any())
        return "rounding" if moved or contrast.differs.any() else "identical"

    def starts(self, place: int) -> Array:
        """Samples that part beyond rounding, and first in this pair."""
        step, found = self.first.T
        own = (found == place) & (step < self.steps) & self.systematic
        return np.asarray(own | self.strays[place].any(axis=(1, 2)))

    @property
    def steps(self) -> int:
        """T."""
        return int(self.contrasts[0].differs.shape[1])


def tolerance_of(largest: float, *, single: bool, integer: bool, ulps: float = ULPS) -> float:
    """``ulps eps max(1, largest)`` of the coarser side; integers do not round."""
    eps = np.finfo(np.float32 if single else np.float64).eps
    return 0.0 if integer else float(ulps * eps * max(1.0, largest))


def contrast(
    pair: Pair, a: Recording, b: Recording, levels: Levels, *, ruled: bool, recorded: bool
) -> Contrast:
    """One pair of layers of one shape.

    Args:
        pair: Which.
        a: Recording of A.
        b: Of B.
        levels: Membranes and thresholds.
        ruled: Whether what happens at the threshold itself is a rule, as the pattern shows.
        recorded: Whether both sides recorded the membranes, in one unit.
    """
    x, y = a.outputs[pair.a.name], b.outputs[pair.b.name]
    x, y = (v.reshape(*v.shape[:2], -1) for v in (x, y))
    if not pair.a.spiking:
        apart = np.abs(x.astype(np.float64) - y)
        return Contrast(pair, ~(apart <= levels.tolerance), apart, levels, None)
    gap: Array | None = None
    if recorded and levels.a is not None and levels.b is not None:
        gap = np.abs(levels.a - levels.b)
    return Contrast(pair, x != y, gap, levels, None if ruled else levels.excused())


def compare(
    contrasts: Sequence[Contrast], scores: tuple[Array, Array] | None, tolerance: float
) -> Comparison:
    """Causes before effects: what differs at the earliest step, and there in the earliest layer.

    Args:
        contrasts: In the order of execution, at least one.
        scores: Of both sides, where they are comparable.
        tolerance: Of the scores.
    """
    batch, steps = contrasts[0].differs.shape[:2]
    by_step = np.stack([c.differs.any(axis=2) for c in contrasts])  # (P, B, T)
    step = np.where(by_step.any(axis=2), by_step.argmax(axis=2), steps)  # (P, B)
    place = step.argmin(axis=0)
    first = np.stack([step.min(axis=0), place], axis=1)
    parted = np.zeros(batch, bool)
    for sample, (t, p) in enumerate(first.tolist()):
        if t < steps:
            excused = contrasts[p].excused
            differs = contrasts[p].differs[sample, t]
            parted[sample] = excused is None or bool((differs & ~excused[sample, t]).any())
    before = np.arange(steps)[None, :, None] < first[:, :1, None]
    strays = tuple(
        before & ~(c.gap <= c.levels.tolerance)
        if c.gap is not None and c.pair.a.spiking
        else np.zeros_like(c.differs)
        for c in contrasts
    )
    systematic = parted.copy()
    for found in strays:
        systematic |= found.any(axis=(1, 2))
    score_differs = np.zeros(batch, bool)
    if scores is not None:
        apart = ~(np.abs(scores[0] - scores[1]) <= tolerance)
        score_differs = apart.any(axis=1) & (first[:, 0] == steps)
    return Comparison(
        contrasts=tuple(contrasts),
        first=first,
        parted=parted,
        systematic=systematic,
        strays=strays,
        score_differs=score_differs,
    )


def spikes_per_step(node: object) -> int:
    """How many thresholds a layer may count in one step."""
    return node.max_spikes if isinstance(node, LIF) else 1
