"""Two recordings side by side: what differs, where each sample first parts, and what is rounding.

A spike that differs is rounding where the membrane lies within the tolerance of the threshold on
every side that tells it, unless both sides hold the same number, which is then a matter of rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurorobust.compare.inputs import Battery
from neurorobust.compare.result import Divergence
from neurorobust.compare.sides import Pair, Recording
from neurorobust.compare.spikes import Agreement, Partings, differences, distance, height
from neurorobust.ir import Array, Node

ULPS = 256.0
"""Rounding steps that sums may be apart, relative to the largest number of a layer."""


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """A layer's membranes on both sides and the neurons whose thresholds they are held against.

    Attributes:
        membranes: Of A and B, (B, T, ...), or None.
        nodes: Neurons of A and B, or None.
        tolerance: What rounding may do to a membrane.
    """

    membranes: tuple[Array | None, Array | None]
    nodes: tuple[Node | None, Node | None]
    tolerance: float = 0.0

    def distances(self) -> tuple[Array | None, Array | None]:
        """Of the membranes to the nearest number at which spikes change, per side, (B, T, n)."""
        (a, b), (x, y) = self.membranes, self.nodes
        return distance(x, a), distance(y, b)

    def excused(self) -> Array | None:
        """Where a spike may differ by rounding, (B, T, n); None if no side tells."""
        known = [d for d in self.distances() if d is not None]
        if not known:
            return None
        near = np.all([np.abs(d) <= self.tolerance for d in known], axis=0)
        same = np.all([d == 0 for d in known], axis=0) & (len(known) > 1)
        return np.asarray(near & ~same)


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

    @property
    def strays(self) -> Array:
        """Membranes of spiking pairs that part beyond the tolerance, (B, T, n)."""
        if self.gap is None or not self.pair.a.spiking:
            return np.zeros_like(self.differs)
        return np.asarray(~(self.gap <= self.levels.tolerance))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Comparison:
    """All pairs together.

    Attributes:
        contrasts: In the order of A.
        partings: Where each sample first parts; places are those of the contrasts.
        parted: Per sample, whether that first difference is beyond rounding.
        systematic: Per sample, whether it or a membrane before it is.
        strays: Per contrast, membranes that part beyond the tolerance before any output does.
        score_differs: Per sample, whether the scores alone differ.
    """

    contrasts: tuple[Contrast, ...]
    partings: Partings
    parted: Array
    systematic: Array
    strays: tuple[Array, ...]
    score_differs: Array

    @property
    def first(self) -> Array:
        """Per sample step and place of what differs first, (B, 2)."""
        return self.partings.first

    @property
    def steps(self) -> int:
        """T."""
        return self.partings.steps

    def verdict(self, place: int) -> Agreement:
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

    def divergence(self, shown: Battery, first: Recording, second: Recording) -> Divergence | None:
        """In the earliest layer of the data's way, there the earliest step, beyond rounding if any.

        Where no output differs it is the first membrane that parts beyond the tolerance.
        """
        step, place = self.first.T
        spread = self.partings.samples
        beyond = [s for s in spread if self.systematic[s]] or spread
        if beyond:
            sample = min(beyond, key=lambda s: (place[s], step[s], s))
            at, t, differs = self.contrasts[place[sample]], step[sample], self.partings.at(sample)
            if at.excused is not None and self.systematic[sample]:
                differs = differs & ~at.excused[sample, t]
            neuron = differs.argmax()
        else:
            strayed = [p for p, stray in enumerate(self.strays) if stray.any()]
            if not strayed:
                return None
            at = self.contrasts[strayed[0]]
            parted = np.argwhere(self.strays[strayed[0]])
            sample, t, neuron = min(map(tuple, parted), key=lambda row: (row[1], row[0]))
        where = int(sample), int(t), int(neuron)
        excused = bool(beyond) and not self.systematic[sample]
        return _described(at, where, shown, (first, second), excused=excused)


def _described(
    at: Contrast,
    where: tuple[int, int, int],
    shown: Battery,
    recordings: tuple[Recording, Recording],
    *,
    excused: bool,
) -> Divergence:
    sample, t, neuron = where
    place = np.unravel_index(neuron, at.pair.a.shape)
    ends = list(zip(recordings, (at.pair.a, at.pair.b), strict=True))
    membranes = at.levels.membranes
    heights = [
        height(node, None if h is None else h[sample, t], at.pair.a.shape, neuron)
        for node, h in zip(at.levels.nodes, membranes, strict=True)
    ]
    x, y = (float(run.outputs[layer.name][sample, t][place]) for run, layer in ends)
    a, b = (None if h is None else _flat(h)[sample, :, neuron] for h in membranes)
    by_law = [
        layer.spiking and layer.name not in run.membrane and h is not None
        for (run, layer), h in zip(ends, membranes, strict=True)
    ]
    return Divergence(
        layer=at.pair.name,
        sample=sample,
        kind=shown.kinds[sample],
        step=t,
        neuron=tuple(int(i) for i in place),
        outputs=(x, y),
        membrane=(heights[0].membrane, heights[1].membrane),
        threshold=(heights[0].threshold, heights[1].threshold),
        distance=(heights[0].distance, heights[1].distance),
        by_law=(by_law[0], by_law[1]),
        traces=(a, b),
        excused=excused,
    )


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
    if not pair.a.spiking:
        apart = _flat(np.abs(x.astype(np.float64) - y))
        return Contrast(pair, ~(apart <= levels.tolerance), apart, levels, None)
    gap: Array | None = None
    h, other = levels.membranes
    if recorded and h is not None and other is not None:
        gap = _flat(np.abs(h - other))
    return Contrast(pair, differences(x, y), gap, levels, None if ruled else levels.excused())


def compare(
    contrasts: Sequence[Contrast], scores: tuple[Array, Array] | None, tolerance: float
) -> Comparison:
    """All pairs and the scores.

    Args:
        contrasts: In the order of execution, at least one.
        scores: Of both sides, where they are comparable.
        tolerance: Of the scores.
    """
    partings = Partings.of([c.differs for c in contrasts])
    parted = partings.beyond([c.excused for c in contrasts])
    score_differs = np.zeros_like(parted)
    if scores is not None:
        apart = ~(np.abs(scores[0] - scores[1]) <= tolerance)
        score_differs = apart.any(axis=1) & (partings.first[:, 0] == partings.steps)
    strays = tuple(partings.before() & c.strays for c in contrasts)
    return Comparison(
        contrasts=tuple(contrasts),
        partings=partings,
        parted=parted,
        systematic=parted | np.any([found.any(axis=(1, 2)) for found in strays], axis=0),
        strays=strays,
        score_differs=score_differs,
    )


def _flat(values: Array) -> Array:
    return values.reshape(*values.shape[:2], -1)
