"""SPSA: PGD whose gradient is measured by pairs of queries in random directions.

Reference: Uesato, O'Donoghue, van den Oord, Kohli, Adversarial risk and the dangers of evaluating
against weak attacks, ICML 2018.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.base import Attack
from neurorobust.attacks.case import Case
from neurorobust.attacks.knowledge import Knowledge
from neurorobust.attacks.losses import make_loss
from neurorobust.attacks.steps import require_at_least, steepest


class Spsa(Attack):
    """``g = mean (L(x + d v) - L(x - d v)) sign(v)`` over random corners v, in a PGD step.

    Every query is a legal sample: within budget and bounds, on the sensor's grid. On a grid ``d v``
    is at least one step of every value, since less than half a step would ask the same twice.

    Args:
        steps: Number of steps, at least 1.
        pairs: Pairs of queries per step, at least 1.
        relative_step: Step size in units of epsilon.
        relative_delta: ``d`` in units of epsilon, on a grid at least a step of every value.
        loss: ``margin``, ``ce`` or ``dlr``.
    """

    name: ClassVar[str] = "spsa"
    revision: ClassVar[int] = 2
    knowledge: Knowledge = Knowledge.QUERY_ONLY
    estimator = None

    def __init__(
        self,
        steps: int = 10,
        pairs: int = 32,
        *,
        relative_step: float = 0.25,
        relative_delta: float = 0.5,
        loss: str = "margin",
    ) -> None:
        require_at_least(
            "SPSA",
            steps=(steps, 1),
            pairs=(pairs, 1),
            relative_step=(relative_step, 1e-9),
            relative_delta=(relative_delta, 1e-9),
        )
        self.steps, self.pairs = steps, pairs
        self.relative_step, self.relative_delta = relative_step, relative_delta
        self.loss, self._loss = loss, make_loss(loss)

    def parameters(self) -> Mapping[str, Any]:
        """Steps, pairs, sizes and loss."""
        return {
            "steps": self.steps,
            "pairs": self.pairs,
            "relative_step": self.relative_step,
            "relative_delta": self.relative_delta,
            "loss": self.loss,
        }

    def propose(self, case: Case) -> Tensor:
        """The last iterate that fools the target once legal, else the last one."""
        threat, moving = case.threat, case.x
        for _ in range(self.steps):
            step = self.relative_step * threat.epsilon * steepest(self.slope(case, moving), threat)
            moving = threat.project(moving + step, case.x)
            case.see(moving)
        return case.best

    def slope(self, case: Case, at: Tensor) -> Tensor:
        """The measured gradient, up to its scale."""
        every = torch.arange(len(case), device=at.device)
        total = torch.zeros_like(at)
        for _ in range(self.pairs):
            away = steepest(case.draws.signs(at), case.threat)
            away = away * (self.relative_delta * case.threat.epsilon)
            away = away.sign() * away.abs().clamp(min=case.threat.step)
            ahead, behind = (case.threat.legalise(at + s * away, case.x) for s in (1, -1))
            rise = self._value(case, ahead, every) - self._value(case, behind, every)
            total += rise.view(-1, *[1] * (at.ndim - 1)) * (ahead - behind).sign()
        return total / self.pairs

    def _value(self, case: Case, x: Tensor, rows: Tensor) -> Tensor:
        scores = case.probe(x, rows) * case.target.scale
        return self._loss(scores, case.y, case.wanted).to(x.dtype)
