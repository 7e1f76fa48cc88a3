"""What an attacker may do to an input: the ball, the bounds, and the sensor's grid."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from torch import Tensor

from neurorobust.errors import InvalidInput
from neurorobust.ir import Header

TOLERANCE = 1e-9
"""Room for the rounding of grid values, in units of the input range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linf:
    """Every value may move by at most epsilon, within the bounds, to values the sensor can give.

    Attributes:
        epsilon: Radius in units of the input, at least 0.
        bounds: Legal input range.
        levels: Values between the bounds, both included (256 for 8 bits); None is continuous.
    """

    epsilon: float
    bounds: tuple[float, float] = (0.0, 1.0)
    levels: int | None = None

    def __post_init__(self) -> None:
        low, high = self.bounds
        if not 0 <= self.epsilon <= high - low:
            msg = (
                f"epsilon is {self.epsilon}; it must be between 0 and the input range "
                f"{high - low:g} (8/255 is 0.031, not 8)"
            )
            raise InvalidInput(msg)
        if self.levels is not None and self.levels < 2:
            msg = f"levels is {self.levels}; a sensor grid has at least 2, None is continuous"
            raise InvalidInput(msg)
        if self.levels is not None and 0 < self.epsilon < self.step * (1 - 1e-6):
            msg = (
                f"epsilon is {self.epsilon:g}, but the sensor moves in steps of {self.step:g}; "
                "a smaller budget changes nothing"
            )
            raise InvalidInput(msg)

    @classmethod
    def of(cls, header: Header, epsilon: float) -> Self:
        """The ball on a model's own input range and sensor."""
        return cls(epsilon=epsilon, bounds=header.bounds, levels=header.levels)

    @property
    def step(self) -> float:
        """Distance between two values of the sensor; 0 without a grid."""
        return 0.0 if self.levels is None else (self.bounds[1] - self.bounds[0]) / (self.levels - 1)

    def project(self, x: Tensor, clean: Tensor) -> Tensor:
        """The nearest point in the ball and the bounds."""
        low, high = self.bounds
        near = clean + (x - clean).clamp(-self.epsilon, self.epsilon)
        return near.clamp(low, high)

    def legalise(self, x: Tensor, clean: Tensor) -> Tensor:
        """The nearest point that the sensor can also give; ``clean`` must lie on the grid."""
        if self.levels is None:
            return self.project(x, clean)
        low, _ = self.bounds
        origin = ((clean - low) / self.step).round()
        reach = int(self.epsilon / self.step + 1e-6)
        moved = ((x - low) / self.step).round()
        code = (origin + (moved - origin).clamp(-reach, reach)).clamp(0, self.levels - 1)
        # A division, not a product with the step: the same arithmetic that made the clean values.
        return low + code * (self.bounds[1] - low) / (self.levels - 1)

    def violations(self, x: Tensor, clean: Tensor) -> int:
        """Number of values outside ball, bounds or grid."""
        low, high = self.bounds
        slack = TOLERANCE * (high - low)
        bad = (x - clean).abs() > self.epsilon + slack
        bad |= (x < low - slack) | (x > high + slack)
        if self.levels is not None:
            code = (x - low) / self.step
            bad |= (code - code.round()).abs() > 1e-4
        return int(bad.sum())

    def parameters(self) -> dict[str, Any]:
        """Fields by name, for records and cache keys."""
        return asdict(self)
