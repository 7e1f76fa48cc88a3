"""FGSM: one step along the sign of the gradient.

Reference: Goodfellow, Shlens, Szegedy, Explaining and harnessing adversarial examples, ICLR 2015.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import LOSSES
from neurorobust.attacks.steps import steepest
from neurorobust.methods import option


@dataclass(frozen=True)
class Fgsm(GradientAttack):
    """``x + epsilon sign(gradient)``; in L2 along the gradient itself.

    Attributes:
        loss: ``ce``, ``margin`` or ``dlr``.
    """

    name: ClassVar[str] = "fgsm"
    title: ClassVar[str] = "FGSM"
    cited: ClassVar[tuple[str, ...]] = ("goodfellow2015explaining",)
    revision: ClassVar[int] = 2

    loss: str = option("ce", among=LOSSES)

    def propose(self, case: Case) -> Tensor:
        """One step."""
        _, gradient = case.ascent(case.x, LOSSES[self.loss])
        step = case.threat.epsilon * steepest(gradient, case.threat)
        return case.threat.project(case.x + step, case.x)
