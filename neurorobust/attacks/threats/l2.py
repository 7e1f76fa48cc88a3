"""L2: a sample may move by a Euclidean distance."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.draws import Draws
from neurorobust.attacks.threats.base import TOLERANCE, Threat, norm, per_sample
from neurorobust.attacks.threats.linf import require_grid
from neurorobust.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class L2(Threat):
    """``||x - clean||_2 <= epsilon``, within the bounds, on values the sensor can give.

    Attributes:
        epsilon: Radius in units of the input, at least 0.
        bounds: Legal input range.
        levels: Values between the bounds, both included (256 for 8 bits); None is continuous.
    """

    name: ClassVar[str] = "l2"
    unit: ClassVar[str] = "input range, Euclidean"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.epsilon) and self.epsilon >= 0):
            msg = f"epsilon is {self.epsilon}; a Euclidean radius is finite and at least 0"
            raise InvalidInput(msg)
        require_grid(self)

    def project(self, x: Tensor, clean: Tensor) -> Tensor:
        """Scaled back into the ball, then clipped to the bounds, which only shortens it."""
        moved = x - clean
        length = norm(moved)
        # The last bit of the quotient may leave the ball; a scale below 1 keeps inside.
        scale = torch.where(length > self.epsilon, self.epsilon * (1 - 1e-12) / length, 1.0)
        return (clean + moved * per_sample(scale, x)).clamp(*self.bounds)

    def legalise(self, x: Tensor, clean: Tensor) -> Tensor:
        """The nearest grid values; where that leaves the ball, the closest calls round down.

        Rounding every move towards zero stays in the ball, so some number of them does.
        """
        near = self.project(x, clean)
        if self.levels is None:
            return near
        low, _ = self.bounds
        origin = ((clean - low) / self.step).round().flatten(1)
        wanted = ((near - low) / self.step).flatten(1) - origin
        down, nearest = wanted.trunc(), wanted.round()
        saved = (nearest**2 - down**2) * self.step**2
        part = (wanted - down).abs()
        order = torch.where(saved > 0, part, torch.inf).argsort(dim=1, stable=True)
        excess = (nearest**2).sum(1, keepdim=True) * self.step**2 - self.epsilon**2
        # Reverting goes on as long as the energy saved before does not cover the excess.
        saved_before = saved.gather(1, order).cumsum(1) - saved.gather(1, order)
        revert = torch.zeros_like(saved, dtype=torch.bool)
        revert.scatter_(1, order, saved_before < excess - TOLERANCE * self.epsilon**2)
        moved = torch.where(revert & (saved > 0), down, nearest)
        return self.on_grid((origin + moved).view_as(x))

    def size(self, x: Tensor, clean: Tensor) -> Tensor:
        """Euclidean distance."""
        return norm(x - clean)

    def violations(self, x: Tensor, clean: Tensor) -> int:
        """Number of samples outside the ball plus values outside bounds or grid."""
        slack = TOLERANCE * (self.bounds[1] - self.bounds[0])
        far = self.size(x, clean) > self.epsilon * (1 + TOLERANCE) + slack
        return int(far.sum()) + int(self.outside(x).sum())

    def random(self, clean: Tensor, draws: Draws) -> Tensor:
        """A random direction, as far as the ball reaches."""
        away = draws.normal(clean)
        return self.project(clean + away * per_sample(self.epsilon / norm(away), clean), clean)
