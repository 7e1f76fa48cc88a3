"""R-FGSM: a random half step, then FGSM with the other half.

Reference: Tramèr et al., Ensemble adversarial training: attacks and defenses, ICLR 2018.
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
class RFgsm(GradientAttack):
    """``x' = x + e/2 sign(N(0, 1))``, then ``x' + e/2 sign(gradient at x')``, e = epsilon.

    Attributes:
        loss: ``ce``, ``margin`` or ``dlr``.
    """

    name: ClassVar[str] = "rfgsm"
    title: ClassVar[str] = "R-FGSM"
    cited: ClassVar[tuple[str, ...]] = ("tramer2018ensemble",)
    revision: ClassVar[int] = 2

    loss: str = option("ce", among=LOSSES)

    def propose(self, case: Case) -> Tensor:
        """Two half steps."""
        threat, half = case.threat, case.threat.epsilon / 2
        start = case.x + half * steepest(case.draws.normal(case.x), threat)
        start = threat.project(start, case.x)
        _, gradient = case.ascent(start, LOSSES[self.loss])
        return threat.project(start + half * steepest(gradient, threat), case.x)
