"""C&W: the smallest move that reaches a margin, by gradient descent without a ball.

Reference: Carlini, Wagner, Towards evaluating the robustness of neural networks, S&P 2017.
"""

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import margin
from neurorobust.attacks.threats import L2, Threat
from neurorobust.attacks.threats.base import norm, per_sample
from neurorobust.methods import option

LARGEST = 1e10
"""Upper bound of the search for c, before any success."""
CONFIRMED = 3
"""Fresh majorities that the closest success has to win where the input is drawn: among so many
iterates one errs by luck."""


@dataclass(frozen=True)
class CarliniWagner(GradientAttack):
    """Minimise ``||d||^2 + c max(-margin, -kappa)`` by Adam, with ``x = tanh(w)`` in the bounds.

    ``c`` is searched per sample: halfway between the largest that failed and the smallest that
    succeeded, ten times more as long as none did. The closest success, once legal, is returned;
    where the input is drawn, only if it succeeds again.

    Attributes:
        steps: Of Adam per value of c, at least 1.
        search: Values of c, at least 1.
        c: The first of them, above 0.
        confidence: kappa, the margin of the scores to be reached, from 0.
        rate: Learning rate of Adam. At a bound ``w`` starts 7 away from the middle; ten times the
            papers' rate crosses that in a tenth of their steps.
    """

    name: ClassVar[str] = "cw"
    title: ClassVar[str] = "C&W"
    cited: ClassVar[tuple[str, ...]] = ("carlini2017towards",)
    revision: ClassVar[int] = 2
    threats: ClassVar[tuple[type[Threat], ...]] = (L2,)

    steps: int = option(100, low=1)
    _: KW_ONLY
    search: int = option(9, low=1)
    c: float = option(1e-3, above=0)
    confidence: float = option(0.0, low=0)
    rate: float = option(0.1, above=0)

    def propose(self, case: Case) -> Tensor:
        """The closest success once legal, else the last iterate."""
        lower = torch.zeros(len(case), dtype=case.x.dtype, device=case.x.device)
        upper, c = torch.full_like(lower, LARGEST), torch.full_like(lower, self.c)
        closest, best = torch.full_like(lower, torch.inf), case.x
        for _ in range(self.search):
            reached, closest, best = self._descend(case, c, closest, best)
            upper = torch.where(reached, torch.minimum(upper, c), upper)
            lower = torch.where(reached, lower, torch.maximum(lower, c))
            c = torch.where(upper < LARGEST, (lower + upper) / 2, c * 10)
        sure = closest.isfinite()
        if case.target.stochastic:
            for _ in range(CONFIRMED):
                sure &= case.see(best)[1]
        return torch.where(per_sample(sure, best), best, case.best)

    def _descend(
        self, case: Case, c: Tensor, closest: Tensor, best: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One run of Adam; which samples reached the margin, and the closest so far."""
        reach = self.confidence * case.target.scale  # the loss is of scaled scores
        low, high = case.threat.bounds
        # Kept off the bounds, where the inverse of tanh is infinite.
        w = torch.atanh(((case.x - low) / (high - low) * 2 - 1) * (1 - 1e-6))
        adam = torch.optim.Adam([w], lr=self.rate)
        reached = torch.zeros(len(case), dtype=torch.bool, device=case.x.device)
        for step in range(self.steps + 1):
            at = low + (torch.tanh(w) + 1) / 2 * (high - low)
            scores, fooled = case.see(at)
            fooled &= margin(scores, case.y, case.wanted) >= self.confidence
            length = norm(case.threat.legalise(at, case.x) - case.x)
            nearer = fooled & (length < closest)
            reached |= fooled
            closest = torch.where(nearer, length, closest)
            best = torch.where(per_sample(nearer, best), at, best)
            if step < self.steps:
                _, rise = case.ascent(at, partial(_capped, reach=reach))
                slope = 2 * (at - case.x) - per_sample(c, at) * rise
                w.grad = slope * (1 - torch.tanh(w) ** 2) / 2 * (high - low)
                adam.step()
        return reached, closest, best


def _capped(scores: Tensor, y: Tensor, wanted: Tensor | None, *, reach: float) -> Tensor:
    return margin(scores, y, wanted).clamp(max=reach)
