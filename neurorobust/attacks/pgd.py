"""PGD: signed gradient steps, each projected back into the ball.

Reference: Madry et al., Towards deep learning models resistant to adversarial attacks, ICLR 2018.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import make_loss
from neurorobust.attacks.steps import steepest, unfinished
from neurorobust.engine.estimators import Estimator
from neurorobust.errors import InvalidInput


class Pgd(GradientAttack):
    """Iterated steps; a sample is returned as it was when a *legal* iterate last fooled the model.

    Args:
        gradient: The estimator.
        steps: Number of steps, at least 1.
        relative_step: Step size in units of epsilon. A quarter lets ten steps cross the ball.
        random_start: Whether to start at a random point of the ball.
        loss: ``ce``, ``margin`` or ``dlr``.
        restarts: Runs; later ones start anew on the samples not yet found, so they need a random
            start.
    """

    name: ClassVar[str] = "pgd"
    revision: ClassVar[int] = 3

    def __init__(
        self,
        gradient: Estimator,
        steps: int = 10,
        relative_step: float = 0.25,
        *,
        random_start: bool = True,
        loss: str = "ce",
        restarts: int = 1,
    ) -> None:
        super().__init__(gradient)
        if steps < 1 or not relative_step > 0:
            msg = f"PGD takes steps >= 1 and relative_step > 0, got {steps} and {relative_step}"
            raise InvalidInput(msg)
        if restarts < 1 or (restarts > 1 and not random_start):
            msg = f"PGD takes restarts >= 1, more than one with random_start, got {restarts}"
            raise InvalidInput(msg)
        self.steps, self.relative_step, self.restarts = steps, relative_step, restarts
        self.random_start, self.loss, self._loss = random_start, loss, make_loss(loss)

    def parameters(self) -> Mapping[str, Any]:
        """Steps, step size, start, loss and restarts."""
        return {
            "steps": self.steps,
            "relative_step": self.relative_step,
            "random_start": self.random_start,
            "loss": self.loss,
            "restarts": self.restarts,
        }

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
            _, gradient = case.ascent(moving, self._loss)
            step = self.relative_step * threat.epsilon * steepest(gradient, threat)
            moving = threat.project(moving + step, case.x)
            case.see(moving)
