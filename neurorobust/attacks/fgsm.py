"""FGSM: one step along the sign of the gradient.

Reference: Goodfellow, Shlens, Szegedy, Explaining and harnessing adversarial examples, ICLR 2015.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.base import Attack, Target
from neurorobust.attacks.threat import Linf
from neurorobust.engine.surrogate import Estimator


class Fgsm(Attack):
    """``x + epsilon sign(gradient)``.

    Args:
        gradient: The estimator.
    """

    name: ClassVar[str] = "fgsm"

    def __init__(self, gradient: Estimator) -> None:
        self._estimator = gradient

    @property
    def estimator(self) -> Estimator:
        """Where gradients come from."""
        return self._estimator

    def parameters(self) -> Mapping[str, Any]:
        """None besides the estimator."""
        return {}

    def propose(
        self, target: Target, x: Tensor, y: Tensor, threat: Linf, generator: torch.Generator
    ) -> Tensor:
        """One signed step."""
        return threat.project(x + threat.epsilon * target.gradient(x, y).sign(), x)
