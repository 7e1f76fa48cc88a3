"""Insertion and removal of the events whose first-order effect is largest."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import make_loss
from neurorobust.attacks.steps import require_at_least
from neurorobust.attacks.threats import Events, Threat
from neurorobust.attacks.threats.base import per_sample
from neurorobust.engine.surrogate import Estimator


class EventFlips(GradientAttack):
    """In every step one event more, or one less, in the bins with the largest ``± gradient``.

    The budget of changed bins is spent evenly over the steps; samples stop once found. Counts rise
    and fall by one at a time and are never cut to 1.

    Args:
        gradient: The estimator.
        steps: Number of steps, at least 1.
        loss: ``margin``, ``ce`` or ``dlr``.
    """

    name: ClassVar[str] = "event_flips"
    threats: tuple[type[Threat], ...] = (Events,)

    def __init__(self, gradient: Estimator, steps: int = 10, loss: str = "margin") -> None:
        super().__init__(gradient)
        require_at_least("event flips", steps=(steps, 1))
        self.steps, self.loss, self._loss = steps, loss, make_loss(loss)

    def parameters(self) -> Mapping[str, Any]:
        """Steps and loss."""
        return {"steps": self.steps, "loss": self.loss}

    def propose(self, case: Case) -> Tensor:
        """The frames that first fooled the surrogate, else the last ones."""
        moving, left = case.x.clone(), torch.arange(len(case), device=case.x.device)
        for step in range(1, self.steps + 1):
            part = case.take(left)
            _, gradient = part.ascent(moving[left], self._loss)
            bins = int(case.threat.epsilon * step / self.steps)
            moving[left] = self._spend(part, moving[left], gradient, bins)
            _, fooled = part.see(moving[left])
            left = left[~fooled]
            if not len(left):
                break
        return case.best

    @staticmethod
    def _spend(case: Case, moving: Tensor, gradient: Tensor, bins: int) -> Tensor:
        """Change unchanged bins until ``bins`` differ from clean."""
        threat = case.threat
        assert isinstance(threat, Events)  # noqa: S101  # the base admits no other
        low, high = threat.bounds
        way, gain = gradient.sign(), gradient.abs()
        room = torch.where(way > 0, moving < high, moving > low) & (moving == case.x) & (gain > 0)
        change = moving - case.x
        for sign, budget in ((1, threat.insert), (-1, threat.remove)):
            if budget is not None:
                spent = (sign * change).clamp(min=0).flatten(1).sum(1)
                room &= ~((way == sign) & per_sample(spent >= budget, moving))
        ranked = torch.where(room, gain, 0.0).flatten(1)
        free = (bins - (change != 0).flatten(1).sum(1)).clamp(min=0)
        order = ranked.argsort(dim=1, descending=True, stable=True)
        place = torch.empty_like(order)
        place.scatter_(1, order, torch.arange(order.shape[1], device=order.device).expand_as(order))
        chosen = (ranked > 0) & (place < free[:, None])
        # Earlier changes weigh 1, new ones less by rank: the budgets keep the largest effects.
        weight = 0.9 - 0.3 * place / order.shape[1]
        wish = (way.flatten(1) * weight * chosen).view_as(moving)
        return threat.legalise(moving + wish, case.x)
