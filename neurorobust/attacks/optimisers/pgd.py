"""PGD: signed gradient steps, each projected back into the ball.

Reference: Madry et al., Towards deep learning models resistant to adversarial attacks, ICLR 2018.
"""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import LOSSES
from neurorobust.attacks.steps import settle_step, steepest, step_size, unfinished
from neurorobust.errors import InvalidInput
from neurorobust.methods import option


@dataclass(frozen=True)
class Pgd(GradientAttack):
    """Iterated steps; a sample is returned as it was when a *legal* iterate last fooled the model.

    Attributes:
        steps: Number of steps, at least 1.
        relative_step: Step size in units of epsilon; a quarter by default, which lets ten steps
            cross the ball.
        random_start: Whether to start at a random point of the ball.
        loss: ``ce``, ``margin`` or ``dlr``.
        restarts: Runs; later ones start anew on the samples not yet found, so they need a random
            start.
        step: Step size in the unit of the threat, as 2/255, instead of the relative one.
    """

    name: ClassVar[str] = "pgd"
    title: ClassVar[str] = "PGD"
    cited: ClassVar[tuple[str, ...]] = ("madry2018towards",)
    revision: ClassVar[int] = 3

    steps: int = option(10, low=1)
    relative_step: float | None = option(None, above=0, sparse=True)
    _: KW_ONLY
    random_start: bool = option(default=True)
    loss: str = option("ce", among=LOSSES)
    restarts: int = option(1, low=1)
    step: float | None = option(None, above=0, sparse=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        settle_step(self, 0.25)
        if self.restarts > 1 and not self.random_start:
            msg = f"PGD takes {self.restarts} restarts, more than one with random_start only"
            raise InvalidInput(msg)

    def propose(self, case: Case) -> Tensor:
        """The last iterate that fools the surrogate once legal, else the last one."""
        self._run(case)
        for _ in range(self.restarts - 1):
            left = unfinished(case)
            if len(left):
                self._run(case.take(left))
        return case.best

    def _run(self, case: Case) -> None:
        threat = case.threat
        case.begin()
        start = threat.random(case.x, case.draws) if self.random_start else case.x
        moving = threat.project(start, case.x)
        for _ in range(self.steps):
            _, gradient = case.ascent(moving, LOSSES[self.loss])
            step = step_size(self, threat) * steepest(gradient, threat)
            moving = threat.project(moving + step, case.x)
            case.see(moving)
