"""Retiming budgets: events keep their pixel and their number, and move in time only.

Reference: Spike-retiming attacks, ICLR 2026: budgets on the largest move (B∞), the sum of moves
(B1) and the number of moved events (B0).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from neurorobust.attacks.draws import Draws
from neurorobust.attacks.threats.counted import Counted
from neurorobust.ir import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Retiming(Counted):
    """Every event moves by at most epsilon time bins; each pixel keeps its count exactly.

    Events of a pixel are alike, so moves are those of events matched in order: this makes the
    largest move and the sum of moves the smallest possible. For the number of moved events the
    unmatched ones alone are matched, where that respects epsilon.

    Attributes:
        epsilon: Largest move in time bins (B∞), a whole number.
        bounds: Smallest and largest count of a bin, whole numbers; 1 for binary frames.
        levels: None, or all counts between the bounds.
        total: Sum of all moves of a sample (B1); None is no limit of its own.
        moved: Moved events of a sample (B0); None is no limit of its own.
    """

    name: ClassVar[str] = "retiming"
    unit: ClassVar[str] = "time bins"
    budgets: ClassVar[tuple[str, ...]] = ("epsilon", "total", "moved")

    total: int | None = None
    moved: int | None = None

    def legalise(self, x: Tensor, clean: Tensor) -> Tensor:
        """Pixels that broke the law go back to clean, then the last ones beyond the sums."""
        wanted, lines = x.round().flatten(2), clean.round().flatten(2)
        low, high = self.bounds
        kept = self._lawful(wanted, lines) & ((wanted >= low) & (wanted <= high)).all(1)
        wanted = torch.where(kept[:, None], wanted, lines)
        for costs, budget in zip(self._costs(wanted, lines), (self.total, self.moved), strict=True):
            if budget is not None:
                wanted = torch.where((costs.cumsum(1) <= budget)[:, None], wanted, lines)
        return wanted.view_as(clean)

    def size(self, x: Tensor, clean: Tensor) -> Tensor:
        """Largest move; the number of bins where counts are not preserved."""
        after, before = x.flatten(2), clean.flatten(2)
        steps = before.shape[1]
        found = torch.full(x.shape[:1], float(steps), dtype=x.dtype, device=x.device)
        for reach in reversed(range(steps)):
            found = torch.where(_within(after, before, reach).all(1), float(reach), found)
        return found

    def violations(self, x: Tensor, clean: Tensor) -> int:
        """Values off the grid of counts, unlawful pixels, and samples over a sum."""
        after, before = x.flatten(2), clean.flatten(2)
        bad = int(self.outside(x).sum())
        bad += int((~self._lawful(after, before)).sum())
        for costs, budget in zip(self._costs(after, before), (self.total, self.moved), strict=True):
            if budget is not None:
                bad += int((costs.sum(1) > budget).sum())
        return bad

    def random(self, clean: Tensor, draws: Draws) -> Tensor:
        """Events in random order move to a random free bin, as long as the budgets last."""
        return torch.stack(
            [
                self.retime(frames, rng.uniform(size=(int(frames.sum()), self.width)))
                for frames, rng in zip(clean, draws.generators, strict=True)
            ]
        )

    @property
    def width(self) -> int:
        """Number of shifts an event can choose from, ``2 epsilon + 1``."""
        return 2 * int(self.epsilon) + 1

    def retime(self, frames: Tensor, preference: Array) -> Tensor:
        """Move the events of one sample to the free bins they prefer.

        Those that gain most choose first. A bin is held by its event until that moves, so staying
        is always possible and nothing ever overlaps beyond the bounds.

        Args:
            frames: Counts, shape (T, ...).
            preference: Per event of ``event_places`` and shift -epsilon..epsilon.
        """
        from neurorobust.attacks.threats.moves import move_events

        held = frames.flatten(1).round().to(torch.int64).cpu().numpy().copy()
        reach, high = int(self.epsilon), int(self.bounds[1])
        time, line = event_places(frames)
        stay = np.abs(np.arange(self.width) - reach)
        # Among equals the nearest bin; staying is nearest of all.
        liked = np.lexsort((np.broadcast_to(stay, preference.shape), -preference), axis=1)
        gain = preference.max(1, initial=-np.inf) - preference[:, reach]
        order = np.argsort(-gain, kind="stable")
        enough = len(time) * self.width
        total = enough if self.total is None else int(self.total)
        moved = enough if self.moved is None else int(self.moved)
        move_events(
            held, time[order], line[order], liked[order],
            reach=reach, high=high, total=total, moved=moved,
        )  # fmt: skip
        return torch.from_numpy(held).to(frames).view_as(frames)

    def _lawful(self, after: Tensor, before: Tensor) -> Tensor:
        return _within(after, before, int(self.epsilon))

    def _costs(self, after: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of moves, and number of moved events, per sample and pixel."""
        c, d = before.cumsum(1), after.cumsum(1)
        total = (c - d).abs().sum(1)
        stay = torch.minimum(c, d) - torch.maximum(c - before, d - after)
        in_order = before.sum(1) - stay.clamp(min=0).sum(1)
        surplus, deficit = (before - after).clamp(min=0), (after - before).clamp(min=0)
        alone = _within(deficit, surplus, int(self.epsilon))
        return total, torch.where(alone, surplus.sum(1), in_order)


def event_places(frames: Tensor) -> tuple[Array, Array]:
    """Time bin and pixel of every event of a sample (T, ...); a count of n gives n events."""
    counts = frames.flatten(1).round().to(torch.int64).cpu().numpy()
    time, line = np.nonzero(counts)
    times = counts[time, line]
    return np.repeat(time, times), np.repeat(line, times)


def _within(after: Tensor, before: Tensor, reach: int) -> Tensor:
    """Whether events matched in order move by at most ``reach``, per sample and pixel (B, N)."""
    c, d = before.cumsum(1), after.cumsum(1)
    late, early = torch.zeros_like(c), c[:, -1:].repeat(1, c.shape[1], 1)
    late[:, reach:] = c[:, : c.shape[1] - reach] if reach < c.shape[1] else 0
    if reach < c.shape[1]:
        early[:, : c.shape[1] - reach] = c[:, reach:]
    return ((d >= late) & (d <= early)).all(1) & (c[:, -1] == d[:, -1])
