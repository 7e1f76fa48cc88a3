"""Event budgets: how many bins of binary or counted event frames may change."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.draws import Draws
from neurorobust.attacks.threats.counted import Counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Events(Counted):
    """At most epsilon bins of a frame sequence change (B0), to whole numbers within the bounds.

    Counts are kept as they are: the upper bound is the model's, 1 for binary frames.

    Attributes:
        epsilon: Changed bins per sample, a whole number.
        bounds: Smallest and largest count of a bin, whole numbers.
        levels: None, or all counts between the bounds.
        insert: Events that may be added per sample; None is no limit of its own.
        remove: Events that may be removed per sample; None is no limit of its own.
    """

    name: ClassVar[str] = "events"
    unit: ClassVar[str] = "changed bins"
    budgets: ClassVar[tuple[str, ...]] = ("epsilon", "insert", "remove")

    insert: int | None = None
    remove: int | None = None

    def legalise(self, x: Tensor, clean: Tensor) -> Tensor:
        """Rounded to counts; the largest changes are kept as long as the budgets last."""
        wish = (x - clean).flatten(1)
        change = (x.round().clamp(*self.bounds) - clean).flatten(1)
        order = torch.where(change != 0, wish.abs(), -1.0).argsort(
            dim=1, descending=True, stable=True
        )
        change = change.gather(1, order)
        for sign, budget in ((1, self.insert), (-1, self.remove)):
            if budget is not None:
                events = (sign * change).clamp(min=0)
                left = (budget - (events.cumsum(1) - events)).clamp(min=0)
                change = torch.where(events > 0, sign * torch.minimum(events, left), change)
        kept = change * ((change != 0).cumsum(1) <= self.epsilon)
        moved = torch.zeros_like(kept).scatter_(1, order, kept)
        return (clean.round() + moved.view_as(clean)).clamp(*self.bounds)

    def size(self, x: Tensor, clean: Tensor) -> Tensor:
        """Changed bins."""
        return (x != clean).flatten(1).sum(1).to(x.dtype)

    def violations(self, x: Tensor, clean: Tensor) -> int:
        """Values off the grid of counts, plus samples over each budget."""
        change = (x - clean).flatten(1)
        bad = int(self.outside(x).sum())
        bad += int((self.size(x, clean) > self.epsilon).sum())
        for sign, budget in ((1, self.insert), (-1, self.remove)):
            if budget is not None:
                bad += int(((sign * change).clamp(min=0).sum(1) > budget).sum())
        return bad

    def random(self, clean: Tensor, draws: Draws) -> Tensor:
        """Random bins change by one event, up or down where there is room."""
        low, high = self.bounds
        up = draws.uniform(clean) > 0
        up = (up | (clean <= low)) & (clean < high)
        weight = 0.75 + 0.2 * draws.uniform(clean)  # above one half: rounds to one event
        return self.legalise(clean + torch.where(up, weight, -weight), clean)
