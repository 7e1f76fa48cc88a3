"""Swarm: several walks per sample at once, in steps that become smaller."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import LOSSES
from neurorobust.attacks.steps import steepest
from neurorobust.attacks.threats.base import per_sample
from neurorobust.methods import option

FIRST, LAST = 1.0, 1 / 16
"""Size of the first and of the last step in units of epsilon; those between are in proportion."""


@dataclass(frozen=True)
class Swarm(GradientAttack):
    """Several walks of legal points from random starts, in signed steps that become smaller.

    Scores of few steps are quantised, so the loss is rugged and where a walk ends depends on where
    it starts: several walks find more than a long one, and in one batch they cost less. As every
    point is legal, the scores that give the gradient of the margin also say whether it fools, and
    none is looked at again but those that do.

    Attributes:
        steps: Of every walk, at least 1; their size falls from epsilon to a sixteenth of it.
        walkers: Walks of a sample, at least 1.
        loss: ``margin``, ``ce`` or ``dlr``.
    """

    name: ClassVar[str] = "swarm"
    cited: ClassVar[tuple[str, ...]] = ("neurorobust",)

    steps: int = option(60, low=1)
    walkers: int = option(4, low=1)
    loss: str = option("margin", among=LOSSES)

    def size(self, step: int) -> float:
        """Of a step counted from 0, in units of epsilon."""
        return float(FIRST * (LAST / FIRST) ** (step / max(self.steps - 1, 1)))

    def propose(self, case: Case) -> Tensor:
        """The last point that fooled the target, else that of the largest loss."""
        swarm = _Swarm(case, self)
        for step in range(self.steps):
            swarm.walk(self.size(step))
            if not len(swarm.samples):
                break
        return case.best_or(swarm.highest)


class _Swarm:
    """The walks that go on: the same number of each sample, one sample's after the other's.

    Args:
        case: All samples.
        attack: Loss and estimator.
    """

    def __init__(self, case: Case, attack: Swarm) -> None:
        self.case, self.estimator = case, attack.gradient
        self.loss, self.count = LOSSES[attack.loss], attack.walkers
        # The sign of the margin is the decision, unless that is a vote or any class will do.
        aims_wide = case.wanted is not None and not case.strict
        self.tells = attack.loss == "margin" and not case.target.stochastic and not aims_wide
        self.samples = torch.arange(len(case), device=case.x.device)
        rows = self.rows
        self.part = case.take(rows)
        start = case.threat.random(self.part.x, self.part.draws)
        self.at = case.threat.legalise(start, self.part.x)
        self.highest, self.value = case.x.clone(), torch.full_like(case.log.lead, -torch.inf)
        case.begin()
        self.estimator.reset()

    @property
    def rows(self) -> Tensor:
        """The sample of each walk, (samples * walks,)."""
        return self.samples.repeat_interleave(self.count)

    def walk(self, size: float) -> None:
        """Measure every point, leave the samples that are done, and step from the others."""
        case, part = self.case, self.part
        value, gradient = case.target.ascent(
            self.at, part.y, part.wanted, loss=self.loss, draws=part.draws
        )
        asked = torch.full_like(part.rows, case.target.eot)
        case.log.queries.index_add_(0, part.rows, asked)
        case.log.gradients.index_add_(0, part.rows, asked)
        done = self._measured(value)
        moved = self.at + size * case.threat.epsilon * steepest(gradient, case.threat)
        self.at = case.threat.legalise(moved, part.x)
        if done.any():
            self.samples = self.samples[~done]
            left = torch.nonzero(~done.repeat_interleave(self.count))[:, 0]
            self.estimator.select(left)
            self.at, self.part = self.at[left], case.take(self.rows)

    def _measured(self, value: Tensor) -> Tensor:
        """Note the point of largest loss of each sample, and whether the sample is done, (n,)."""
        most, which = value.view(len(self.samples), self.count).max(dim=1)
        first = torch.arange(len(which), device=which.device) * self.count
        points, samples = self.at[first + which], self.samples
        better = most > self.value[samples]
        self.value[samples] = torch.where(better, most, self.value[samples])
        kept = torch.where(per_sample(better, points), points, self.highest[samples])
        self.highest[samples] = kept
        done = torch.zeros_like(better)
        seen = torch.nonzero(most >= 0)[:, 0] if self.tells else torch.arange(len(which))
        if len(seen):
            _, fooled = self.case.take(samples[seen]).see(points[seen])
            done[seen] = fooled & (not self.case.target.stochastic)
        return done
