"""The noise floor: what chance alone does within the same budget."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.base import Attack, Target
from neurorobust.attacks.threat import Linf


class UniformNoise(Attack):
    """Every value moves by a uniform draw from the ball."""

    name: ClassVar[str] = "noise"
    estimator = None

    def parameters(self) -> Mapping[str, Any]:
        """Which noise."""
        return {"distribution": "uniform"}

    def propose(
        self, target: Target, x: Tensor, y: Tensor, threat: Linf, generator: torch.Generator
    ) -> Tensor:
        """A random point of the ball."""
        return threat.project(x + uniform(x, threat.epsilon, generator), x)


def uniform(x: Tensor, radius: float, generator: torch.Generator) -> Tensor:
    """Draws from -radius..radius, the same on every device."""
    drawn = torch.rand(x.shape, generator=generator, dtype=torch.float64)
    return ((2 * drawn - 1) * radius).to(x)
