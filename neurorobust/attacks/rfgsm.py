"""R-FGSM: a random half step, then FGSM with the other half.

Reference: Tramèr et al., Ensemble adversarial training: attacks and defenses, ICLR 2018.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import make_loss
from neurorobust.attacks.steps import steepest
from neurorobust.engine.estimators import Estimator


class RFgsm(GradientAttack):
    """``x' = x + e/2 sign(N(0, 1))``, then ``x' + e/2 sign(gradient at x')``, e = epsilon.

    Args:
        gradient: The estimator.
        loss: ``ce``, ``margin`` or ``dlr``.
    """

    name: ClassVar[str] = "rfgsm"
    revision: ClassVar[int] = 2

    def __init__(self, gradient: Estimator, loss: str = "ce") -> None:
        super().__init__(gradient)
        self.loss, self._loss = loss, make_loss(loss)

    def parameters(self) -> Mapping[str, Any]:
        """The loss."""
        return {"loss": self.loss}

    def propose(self, case: Case) -> Tensor:
        """Two half steps."""
        threat, half = case.threat, case.threat.epsilon / 2
        start = case.x + half * steepest(case.draws.normal(case.x), threat)
        start = threat.project(start, case.x)
        _, gradient = case.ascent(start, self._loss)
        return threat.project(start + half * steepest(gradient, threat), case.x)
