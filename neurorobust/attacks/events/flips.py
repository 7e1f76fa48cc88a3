"""Insertion and removal of the events whose first-order effect is largest."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import LOSSES
from neurorobust.attacks.threats import Events, Threat
from neurorobust.methods import option


@dataclass(frozen=True)
class EventFlips(GradientAttack):
    """In every step one event more, or one less, in the bins with the largest ``± gradient``.

    The budget of changed bins is spent evenly over the steps; samples stop once found. Counts rise
    and fall by one at a time, in bins that differ already too, and are never cut to 1.

    Attributes:
        steps: Number of steps, at least 1.
        loss: ``margin``, ``ce`` or ``dlr``.
    """

    name: ClassVar[str] = "event_flips"
    title: ClassVar[str] = "event flips"
    cited: ClassVar[tuple[str, ...]] = ("neurorobust",)
    revision: ClassVar[int] = 2
    family: ClassVar[str] = "events"
    threats: ClassVar[tuple[type[Threat], ...]] = (Events,)

    steps: int = option(10, low=1)
    loss: str = option("margin", among=LOSSES)

    def propose(self, case: Case) -> Tensor:
        """The frames that first fooled the surrogate, else the last ones."""
        moving, left = case.x.clone(), torch.arange(len(case), device=case.x.device)
        for step in range(1, self.steps + 1):
            part = case.take(left)
            _, gradient = part.ascent(moving[left], LOSSES[self.loss])
            bins = -(-int(case.threat.epsilon) * step // self.steps)  # rounded up
            moving[left] = self._spend(part, moving[left], gradient, bins)
            _, fooled = part.see(moving[left])
            left = left[~fooled]
            if not len(left):
                break
        return case.best

    @staticmethod
    def _spend(case: Case, moving: Tensor, gradient: Tensor, bins: int) -> Tensor:
        """One event more or less where it helps, until ``bins`` bins differ from clean."""
        threat = case.threat
        assert isinstance(threat, Events)  # noqa: S101  # the base admits no other
        low, high = threat.bounds
        way, gain, change = gradient.sign(), gradient.abs(), moving - case.x
        room = torch.where(way > 0, moving < high, moving > low) & (way * change >= 0)
        ranked = torch.where(room, gain, 0.0).flatten(1)
        order = ranked.argsort(dim=1, descending=True, stable=True)
        chosen = ranked.gather(1, order) > 0
        sorted_way, spent = way.flatten(1).gather(1, order), change.flatten(1)
        for sign, budget in ((1, threat.insert), (-1, threat.remove)):
            if budget is not None:
                left = budget - (sign * spent).clamp(min=0).sum(1)
                chosen = _first(chosen, sorted_way == sign, left)
        # A bin that differs already takes further events without touching the budget of bins.
        free = bins - (spent != 0).sum(1)
        chosen = _first(chosen, spent.gather(1, order) == 0, free)
        added = torch.zeros_like(spent).scatter_(1, order, sorted_way * chosen)
        return moving + added.view_as(moving)


def _first(chosen: Tensor, kind: Tensor, left: Tensor) -> Tensor:
    """All chosen, but of a kind only the first ``left``, (B, N)."""
    of_kind = chosen & kind
    return chosen & ~(of_kind & (of_kind.cumsum(1) > left[:, None]))
