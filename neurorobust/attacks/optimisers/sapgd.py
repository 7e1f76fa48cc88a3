"""SA-PGD: stable adaptive steps, scaled per pixel by the spread of past gradients.

Reference: the attack released with ASSG, adaptive-sharpness surrogate gradients for spiking
networks, arXiv:2512.22522.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import LOSSES
from neurorobust.attacks.optimisers.apgd import surface
from neurorobust.attacks.steps import checkpoints, unit_mean
from neurorobust.attacks.threats import Linf, Threat
from neurorobust.attacks.threats.base import per_sample
from neurorobust.methods import option

FIRST, SECOND = 0.5, 0.8
"""Decay of the first and of the second moment of the gradient."""


@dataclass(frozen=True)
class SaPgd(GradientAttack):
    """Moments of the gradient decide the step, within a size that is halved at checkpoints.

    With means over the pixels of a sample::

        m = 0.5 m + g / mean|g|
        V = 0.8 V + g^2 / mean(g^2)
        step = clip(eta m / (sqrt(V) + 1e-12), -eta, eta)

    ``eta`` starts at epsilon and is halved at every checkpoint of APGD, whatever the progress. It
    starts on the surface of the ball and never goes back.

    Attributes:
        steps: Number of steps, at least 1.
        loss: ``ce``, ``dlr`` or ``margin``.
    """

    name: ClassVar[str] = "sapgd"
    title: ClassVar[str] = "SA-PGD"
    cited: ClassVar[tuple[str, ...]] = ("wang2025towards",)
    revision: ClassVar[int] = 2
    threats: ClassVar[tuple[type[Threat], ...]] = (Linf,)

    steps: int = option(100, low=1)
    loss: str = option("ce", among=LOSSES)

    def propose(self, case: Case) -> Tensor:
        """The last iterate that fools the surrogate once legal, else the last one."""
        moving, size = surface(case), case.threat.epsilon
        first, second = torch.zeros_like(case.x), torch.zeros_like(case.x)
        marks = set(checkpoints(self.steps))
        for step in range(1, self.steps + 1):
            _, gradient = case.ascent(moving, LOSSES[self.loss])
            first, second = moments(gradient, first, second)
            move = (first / (second.sqrt() + 1e-12) * size).clamp(-size, size)
            moving = case.threat.project(moving + move, case.x)
            case.see(moving)
            if step in marks:
                size /= 2
        return case.best


def moments(gradient: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """The next first and second moment; a gradient of 0 adds nothing."""
    # Normalised before it is squared: a tiny gradient must not vanish in the square.
    g = unit_mean(gradient)
    power = (g**2).flatten(1).mean(1)
    share = g**2 / per_sample(torch.where(power > 0, power, 1.0), g)
    return FIRST * first + g, SECOND * second + share
