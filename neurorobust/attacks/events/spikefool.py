"""SpikeFool: SparseFool on event frames, with values rounded to whole events.

Reference: Büchel, Lenz, Hu, Sheik, Sorbaro, Adversarial attacks on spiking convolutional neural
networks for event-based vision, Front. Neurosci. 2022; Modas, Moosavi-Dezfooli, Frossard,
SparseFool, CVPR 2019.
"""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.threats import Events, Threat
from neurorobust.methods import option

BEHIND = 1e-3
"""How far behind the plane the solver aims."""
SHORTEST = 1e-4
"""Shortest move of a coordinate by the solver."""


@dataclass(frozen=True)
class SpikeFool(GradientAttack):
    """DeepFool finds the boundary as a plane; the plane is reached along as few axes as possible.

    Attributes:
        reach: lambda, how far behind the boundary the plane is put; more is surer and less sparse.
        step: Shortest DeepFool step in units of events.
        rounds: Planes, at least 1.
        deepfool_steps: Steps to each plane, at least 1.
        overshoot: Share by which moves are lengthened.
    """

    name: ClassVar[str] = "spikefool"
    title: ClassVar[str] = "SpikeFool"
    cited: ClassVar[tuple[str, ...]] = ("buchel2022adversarial", "modas2019sparsefool")
    family: ClassVar[str] = "events"
    threats: ClassVar[tuple[type[Threat], ...]] = (Events,)
    targetable: ClassVar[bool] = False

    reach: float = option(2.0, low=1)
    _: KW_ONLY
    step: float = option(0.2, above=0)
    rounds: int = option(20, low=1)
    deepfool_steps: int = option(50, low=1)
    overshoot: float = option(0.02, low=0)

    def propose(self, case: Case) -> Tensor:
        """Sample by sample, until fooled."""
        for row in range(len(case)):
            self._one(case.take(torch.tensor([row], device=case.x.device)))
        return case.best

    def _one(self, case: Case) -> None:
        moving, (low, high) = case.x, case.threat.bounds
        _, fooled = case.see(moving)
        for _ in range(self.rounds):
            if fooled.all():
                break
            plane = self._plane(case, moving)
            if plane is None:
                break
            moving = solve(moving, *plane, case.threat.bounds)
            longer = case.x + (1 + self.overshoot) * (moving - case.x)
            _, fooled = case.see(longer.clamp(low, high))

    def _plane(self, case: Case, start: Tensor) -> tuple[Tensor, Tensor] | None:
        """Normal of the boundary and a point behind it, by DeepFool; None without a gradient."""
        total, label = torch.zeros_like(start), int(case.y)
        other = label
        for _ in range(self.deepfool_steps):
            scores, slopes = case.jacobian(start + (1 + self.overshoot) * total)
            other = int(scores.argmax())
            if other != label:
                break
            away = slopes[0] - slopes[0, label]
            length = away.flatten(1).norm(dim=1)
            gap = (scores[0] - scores[0, label]).abs().to(length)
            distance = torch.where(length > 0, gap / length.clamp(min=1e-300), torch.inf)
            distance[label] = torch.inf
            nearest = int(distance.argmin())
            if not torch.isfinite(distance[nearest]):
                return None
            size = distance[nearest].clamp(min=self.step)
            total = total + size * away[nearest] / length[nearest]
            other = nearest
        _, slopes = case.jacobian(start + total)
        normal = slopes[:, other] - slopes[:, label]
        length = normal.norm()
        if not length > 0:
            return None
        return normal / length, start + self.reach * total


def solve(start: Tensor, normal: Tensor, point: Tensor, bounds: tuple[float, float]) -> Tensor:
    """Cross a plane along one coordinate after the other, the steepest first, within the bounds."""
    x, left = start.clone().view(-1), normal.clone().view(-1)
    direction, origin = normal.view(-1), point.view(-1)
    side = torch.sign(direction @ (x - origin))
    now = side
    while now == side and left.any():
        at = int(left.abs().argmax())
        gap = (direction @ (x - origin) + BEHIND * side).abs()
        size = (gap / left[at].abs()).clamp(min=SHORTEST)
        x[at] = (x[at] + size * torch.sign(left[at])).clamp(*bounds)
        now = torch.sign(direction @ (x - origin))
        left[at] = 0
    return x.view_as(start)
