"""APGD: projected gradient steps with momentum whose size follows the progress made.

Reference: Croce, Hein, Reliable evaluation of adversarial robustness with an ensemble of diverse
parameter-free attacks, ICML 2020.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import LOSSES
from neurorobust.attacks.steps import checkpoints, steepest, unfinished
from neurorobust.attacks.threats import L2
from neurorobust.attacks.threats.base import per_sample
from neurorobust.methods import option

IMPROVING = 0.75
"""Share of steps since the last checkpoint that must have raised the loss."""
MOMENTUM = 0.75
"""Weight of the new step against the last move."""


@dataclass(frozen=True)
class Apgd(GradientAttack):
    """Step ``2 epsilon``, momentum 0.75; a sample whose loss stalls halves its step and goes back.

    It stalls at a checkpoint if at most 75 % of the steps since the last one raised the loss, or
    if neither step nor best loss have changed since. It goes on from its best point.

    Attributes:
        steps: Number of steps, at least 1.
        loss: ``ce``, ``dlr`` or ``margin``.
        relative_step: First step size in units of epsilon.
        restarts: Runs; later ones start anew on the samples not yet found.
    """

    name: ClassVar[str] = "apgd"
    title: ClassVar[str] = "APGD"
    cited: ClassVar[tuple[str, ...]] = ("croce2020reliable",)
    revision: ClassVar[int] = 2

    steps: int = option(100, low=1)
    loss: str = option("ce", among=LOSSES)
    relative_step: float = option(2.0, above=0)
    restarts: int = option(1, low=1)

    def propose(self, case: Case) -> Tensor:
        """The last iterate that fools the surrogate once legal, else that of the largest loss."""
        highest = self._run(case)
        for _ in range(self.restarts - 1):
            left = unfinished(case)
            if len(left):
                self._run(case.take(left))
        return case.best_or(highest)

    def _run(self, case: Case) -> Tensor:
        threat, x = case.threat, case.x
        case.begin()
        moving = self._start(case)
        value, gradient = case.ascent(moving, LOSSES[self.loss])
        best, best_value, best_gradient = moving, value, gradient
        size = torch.full_like(value, self.relative_step * threat.epsilon)
        before, marks = moving, [0, *checkpoints(self.steps)]
        rises = torch.zeros_like(value)
        halved_last, value_last = torch.ones_like(value, dtype=torch.bool), best_value
        for step in range(1, self.steps + 1):
            share = MOMENTUM if step > 1 else 1.0
            ahead = moving + per_sample(size, x) * steepest(gradient, threat)
            ahead = threat.project(ahead, x)
            ahead = moving + share * (ahead - moving) + (1 - share) * (moving - before)
            before, moving = moving, threat.project(ahead, x)
            previous = value
            value, gradient = case.ascent(moving, LOSSES[self.loss])
            case.see(moving)
            rises += value > previous
            better = value > best_value
            best_value = torch.where(better, value, best_value)
            best = torch.where(per_sample(better, x), moving, best)
            best_gradient = torch.where(per_sample(better, x), gradient, best_gradient)
            if step in marks:
                span = step - marks[marks.index(step) - 1]
                stalled = rises <= IMPROVING * span
                stalled |= ~halved_last & (value_last >= best_value)
                halved_last, value_last = stalled, best_value
                rises = torch.zeros_like(rises)
                size = torch.where(stalled, size / 2, size)
                moving = torch.where(per_sample(stalled, x), best, moving)
                gradient = torch.where(per_sample(stalled, x), best_gradient, gradient)
        return best

    @staticmethod
    def _start(case: Case) -> Tensor:
        """A random point on the surface of the ball."""
        threat = case.threat
        if isinstance(threat, L2):
            return threat.random(case.x, case.draws)
        return surface(case)


def surface(case: Case) -> Tensor:
    """A random point whose largest move is epsilon, in every sample."""
    away = case.draws.uniform(case.x)
    largest = away.abs().flatten(1).amax(1)
    return case.threat.project(
        case.x + case.threat.epsilon * away / per_sample(largest, away), case.x
    )
