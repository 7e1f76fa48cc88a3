"""MI-FGSM: signed steps along an accumulated gradient.

Reference: Dong et al., Boosting adversarial attacks with momentum, CVPR 2018.
"""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import LOSSES
from neurorobust.attacks.steps import settle_step, steepest, step_size, unit_mean
from neurorobust.methods import option


@dataclass(frozen=True)
class MiFgsm(GradientAttack):
    """``m = decay m + g / mean|g|``, then a step of ``relative_step epsilon sign(m)``.

    Attributes:
        steps: Number of steps, at least 1.
        relative_step: Step size in units of epsilon; None is ``1 / steps``, as in the paper.
        decay: Of the accumulated gradient, from 0.
        loss: ``ce``, ``margin`` or ``dlr``.
        step: Step size in the unit of the threat instead of the relative one.
    """

    name: ClassVar[str] = "mifgsm"
    title: ClassVar[str] = "MI-FGSM"
    cited: ClassVar[tuple[str, ...]] = ("dong2018boosting",)
    revision: ClassVar[int] = 2

    steps: int = option(5, low=1)
    relative_step: float | None = option(None, above=0, sparse=True)
    decay: float = option(1.0, low=0)
    loss: str = option("ce", among=LOSSES)
    _: KW_ONLY
    step: float | None = option(None, above=0, sparse=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        settle_step(self, 1 / self.steps)

    def propose(self, case: Case) -> Tensor:
        """The last iterate that fools the surrogate once legal, else the last one."""
        threat, moving, momentum = case.threat, case.x, torch.zeros_like(case.x)
        for _ in range(self.steps):
            _, gradient = case.ascent(moving, LOSSES[self.loss])
            momentum = self.decay * momentum + unit_mean(gradient)
            step = step_size(self, threat) * steepest(momentum, threat)
            moving = threat.project(moving + step, case.x)
            case.see(moving)
        return case.best
