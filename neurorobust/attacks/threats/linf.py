"""L-infinity: every value may move a little."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from neurorobust.attacks.draws import Draws
from neurorobust.attacks.threats.base import TOLERANCE, Threat
from neurorobust.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Linf(Threat):
    """Every value may move by at most epsilon, within the bounds, to values the sensor can give.

    Attributes:
        epsilon: Radius in units of the input, at least 0.
        bounds: Legal input range.
        levels: Values between the bounds, both included (256 for 8 bits); None is continuous.
    """

    name: ClassVar[str] = "linf"
    unit: ClassVar[str] = "input range"

    def __post_init__(self) -> None:
        low, high = self.bounds
        if not 0 <= self.epsilon <= high - low:
            raise InvalidInput(
                f"epsilon is {self.epsilon}; it must be between 0 and the input range "
                f"{high - low:g} (8/255 is 0.031, not 8)"
            )
        require_grid(self)

    def project(self, x: Tensor, clean: Tensor) -> Tensor:
        """The nearest point in the ball and the bounds."""
        low, high = self.bounds
        near = clean + (x - clean).clamp(-self.epsilon, self.epsilon)
        return near.clamp(low, high)

    def legalise(self, x: Tensor, clean: Tensor) -> Tensor:
        """The nearest point that the sensor can also give."""
        if self.levels is None:
            return self.project(x, clean)
        low, _ = self.bounds
        origin = ((clean - low) / self.step).round()
        reach = int(self.epsilon / self.step + 1e-6)
        moved = ((x - low) / self.step).round()
        return self.on_grid(origin + (moved - origin).clamp(-reach, reach))

    def size(self, x: Tensor, clean: Tensor) -> Tensor:
        """The largest move of a value."""
        return (x - clean).abs().flatten(1).amax(1)

    def violations(self, x: Tensor, clean: Tensor) -> int:
        """Number of values outside ball, bounds or grid."""
        slack = TOLERANCE * (self.bounds[1] - self.bounds[0])
        return int((((x - clean).abs() > self.epsilon + slack) | self.outside(x)).sum())

    def random(self, clean: Tensor, draws: Draws) -> Tensor:
        """Every value moves by a uniform draw from -epsilon..epsilon."""
        return self.project(clean + self.epsilon * draws.uniform(clean), clean)


def require_grid(threat: Threat) -> None:
    """Refuse a grid without values, and a budget that the grid cannot express.

    Raises:
        InvalidInput: if there are fewer than 2 levels, or epsilon is below one step.
    """
    if threat.levels is not None and threat.levels < 2:
        msg = f"levels is {threat.levels}; a sensor grid has at least 2, None is continuous"
        raise InvalidInput(msg)
    if threat.levels is not None and 0 < threat.epsilon < threat.step * (1 - 1e-6):
        raise InvalidInput(
            f"epsilon is {threat.epsilon:g}, but the sensor moves in steps of {threat.step:g}; "
            "a smaller budget changes nothing"
        )
