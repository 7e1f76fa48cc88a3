"""PGD: signed gradient steps, each projected back into the ball.

Reference: Madry et al., Towards deep learning models resistant to adversarial attacks, ICLR 2018.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.base import Attack, Target
from neurorobust.attacks.noise import uniform
from neurorobust.attacks.threat import Linf
from neurorobust.engine.surrogate import Estimator
from neurorobust.errors import InvalidInput


class Pgd(Attack):
    """Iterated steps; a sample is returned as it was when a *legal* iterate last fooled the model.

    Args:
        gradient: The estimator.
        steps: Number of steps, at least 1.
        relative_step: Step size in units of epsilon. A quarter lets ten steps cross the ball.
        random_start: Whether to start at a random point of the ball.
    """

    name: ClassVar[str] = "pgd"

    def __init__(
        self,
        gradient: Estimator,
        steps: int = 10,
        relative_step: float = 0.25,
        *,
        random_start: bool = True,
    ) -> None:
        if steps < 1 or not relative_step > 0:
            msg = f"PGD takes steps >= 1 and relative_step > 0, got {steps} and {relative_step}"
            raise InvalidInput(msg)
        self._estimator, self.steps = gradient, steps
        self.relative_step, self.random_start = relative_step, random_start

    @property
    def estimator(self) -> Estimator:
        """Where gradients come from."""
        return self._estimator

    def parameters(self) -> Mapping[str, Any]:
        """Steps, step size and start."""
        return {
            "steps": self.steps,
            "relative_step": self.relative_step,
            "random_start": self.random_start,
        }

    def propose(
        self, target: Target, x: Tensor, y: Tensor, threat: Linf, generator: torch.Generator
    ) -> Tensor:
        """The last iterate that fools the surrogate once legal, else the last one."""
        start = uniform(x, threat.epsilon, generator) if self.random_start else torch.zeros_like(x)
        moving = threat.project(x + start, x)
        best, found = moving, torch.zeros(len(x), dtype=torch.bool, device=x.device)
        for _ in range(self.steps):
            step = self.relative_step * threat.epsilon * target.gradient(moving, y).sign()
            moving = threat.project(moving + step, x)
            fooled = target.decide(threat.legalise(moving, x)) != y
            best = torch.where((fooled | ~found).view(-1, *[1] * (x.ndim - 1)), moving, best)
            found |= fooled
        return best
