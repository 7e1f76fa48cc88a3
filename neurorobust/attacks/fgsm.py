"""FGSM: one step along the sign of the gradient.

Reference: Goodfellow, Shlens, Szegedy, Explaining and harnessing adversarial examples, ICLR 2015.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import make_loss
from neurorobust.attacks.steps import steepest
from neurorobust.engine.estimators import Estimator


class Fgsm(GradientAttack):
    """``x + epsilon sign(gradient)``; in L2 along the gradient itself.

    Args:
        gradient: The estimator.
        loss: ``ce``, ``margin`` or ``dlr``.
    """

    name: ClassVar[str] = "fgsm"
    revision: ClassVar[int] = 2

    def __init__(self, gradient: Estimator, loss: str = "ce") -> None:
        super().__init__(gradient)
        self.loss, self._loss = loss, make_loss(loss)

    def parameters(self) -> Mapping[str, Any]:
        """The loss."""
        return {"loss": self.loss}

    def propose(self, case: Case) -> Tensor:
        """One step."""
        _, gradient = case.ascent(case.x, self._loss)
        step = case.threat.epsilon * steepest(gradient, case.threat)
        return case.threat.project(case.x + step, case.x)
