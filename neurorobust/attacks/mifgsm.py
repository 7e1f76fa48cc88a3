"""MI-FGSM: signed steps along an accumulated gradient.

Reference: Dong et al., Boosting adversarial attacks with momentum, CVPR 2018.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import make_loss
from neurorobust.attacks.steps import require_at_least, steepest, unit_mean
from neurorobust.engine.estimators import Estimator


class MiFgsm(GradientAttack):
    """``m = decay m + g / mean|g|``, then a step of ``relative_step epsilon sign(m)``.

    Args:
        gradient: The estimator.
        steps: Number of steps, at least 1.
        relative_step: Step size in units of epsilon; None is ``1 / steps``, as in the paper.
        decay: Of the accumulated gradient, from 0.
        loss: ``ce``, ``margin`` or ``dlr``.
    """

    name: ClassVar[str] = "mifgsm"
    revision: ClassVar[int] = 2

    def __init__(
        self,
        gradient: Estimator,
        steps: int = 5,
        relative_step: float | None = None,
        decay: float = 1.0,
        loss: str = "ce",
    ) -> None:
        super().__init__(gradient)
        require_at_least("MI-FGSM", steps=(steps, 1), decay=(decay, 0))
        self.steps, self.decay = steps, decay
        self.relative_step = 1 / steps if relative_step is None else relative_step
        require_at_least("MI-FGSM", relative_step=(self.relative_step, 1e-9))
        self.loss, self._loss = loss, make_loss(loss)

    def parameters(self) -> Mapping[str, Any]:
        """Steps, step size, decay and loss."""
        return {
            "steps": self.steps,
            "relative_step": self.relative_step,
            "decay": self.decay,
            "loss": self.loss,
        }

    def propose(self, case: Case) -> Tensor:
        """The last iterate that fools the surrogate once legal, else the last one."""
        threat, moving, momentum = case.threat, case.x, torch.zeros_like(case.x)
        for _ in range(self.steps):
            _, gradient = case.ascent(moving, self._loss)
            momentum = self.decay * momentum + unit_mean(gradient)
            step = self.relative_step * threat.epsilon * steepest(momentum, threat)
            moving = threat.project(moving + step, case.x)
            case.see(moving)
        return case.best
