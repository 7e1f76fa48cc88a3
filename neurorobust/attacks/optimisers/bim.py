"""BIM (I-FGSM): small signed steps from the clean sample.

Reference: Kurakin, Goodfellow, Bengio, Adversarial examples in the physical world, 2017.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import LOSSES
from neurorobust.attacks.steps import steepest
from neurorobust.attacks.threats import Threat
from neurorobust.methods import option

GREY_VALUES = 255
"""Steps of the papers' 8-bit images; epsilon is converted to them."""


@dataclass(frozen=True)
class Bim(GradientAttack):
    """PGD without random start, in steps of one grey value, ``1/255`` of the input range.

    Attributes:
        steps: Number of steps; None takes ``min(255 e + 4, 1.25 * 255 e)`` rounded down, at least
            1, with e = epsilon as a share of the input range.
        grey_values: Step size in grey values.
        loss: ``ce``, ``margin`` or ``dlr``.
    """

    name: ClassVar[str] = "bim"
    title: ClassVar[str] = "BIM"
    cited: ClassVar[tuple[str, ...]] = ("kurakin2017adversarial",)
    revision: ClassVar[int] = 2

    steps: int | None = option(None, low=1)
    grey_values: float = option(1.0, above=0)
    loss: str = option("ce", among=LOSSES)

    def steps_for(self, threat: Threat) -> int:
        """Number of steps within a threat."""
        if self.steps is not None:
            return self.steps
        reach = GREY_VALUES * threat.epsilon / (threat.bounds[1] - threat.bounds[0])
        return max(1, int(min(reach + 4, 1.25 * reach) + 1e-9))

    def propose(self, case: Case) -> Tensor:
        """The last iterate that fools the surrogate once legal, else the last one."""
        threat, moving = case.threat, case.x
        size = self.grey_values * (threat.bounds[1] - threat.bounds[0]) / GREY_VALUES
        for _ in range(self.steps_for(threat)):
            _, gradient = case.ascent(moving, LOSSES[self.loss])
            moving = threat.project(moving + size * steepest(gradient, threat), case.x)
            case.see(moving)
        return case.best
