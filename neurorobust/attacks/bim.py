"""BIM (I-FGSM): small signed steps from the clean sample.

Reference: Kurakin, Goodfellow, Bengio, Adversarial examples in the physical world, 2017.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import make_loss
from neurorobust.attacks.steps import require_at_least, steepest
from neurorobust.attacks.threats import Threat
from neurorobust.engine.estimators import Estimator

GREY_VALUES = 255
"""Steps of the papers' 8-bit images; epsilon is converted to them."""


class Bim(GradientAttack):
    """PGD without random start, in steps of one grey value, ``1/255`` of the input range.

    Args:
        gradient: The estimator.
        steps: Number of steps; None takes ``min(255 e + 4, 1.25 * 255 e)`` rounded down, at least
            1, with e = epsilon as a share of the input range.
        grey_values: Step size in grey values.
        loss: ``ce``, ``margin`` or ``dlr``.
    """

    name: ClassVar[str] = "bim"
    revision: ClassVar[int] = 2

    def __init__(
        self,
        gradient: Estimator,
        steps: int | None = None,
        grey_values: float = 1.0,
        loss: str = "ce",
    ) -> None:
        super().__init__(gradient)
        require_at_least(
            "BIM", steps=(1 if steps is None else steps, 1), grey_values=(grey_values, 1e-9)
        )
        self.steps, self.grey_values = steps, grey_values
        self.loss, self._loss = loss, make_loss(loss)

    def parameters(self) -> Mapping[str, Any]:
        """Steps, step size and loss."""
        return {"steps": self.steps, "grey_values": self.grey_values, "loss": self.loss}

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
            _, gradient = case.ascent(moving, self._loss)
            moving = threat.project(moving + size * steepest(gradient, threat), case.x)
            case.see(moving)
        return case.best
