"""What threats on events have in common: frames hold whole counts, and so do budgets."""

from abc import ABC
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from neurorobust.attacks.threats.base import Threat
from neurorobust.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted(Threat, ABC):
    """A threat on frames of event counts.

    Attributes:
        budgets: Names of the fields that are whole numbers from 0, or None for no limit.
    """

    budgets: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        for key in self.budgets:
            budget = getattr(self, key)
            if budget is not None and not (budget >= 0 and float(budget).is_integer()):
                msg = f"{self.name}: {key} is {budget}; bins and events are whole numbers from 0"
                raise InvalidInput(msg)
        low, high = self.bounds
        if not (float(low).is_integer() and float(high).is_integer() and 0 <= low < high):
            msg = f"{self.name}: bounds are {self.bounds}; counts of events are whole, from 0"
            raise InvalidInput(msg)
        if self.levels is not None and self.step != 1:
            raise InvalidInput(
                f"{self.name}: the sensor has {self.levels} levels between {low:g} and {high:g}, "
                f"steps of {self.step:g}; events come whole: {int(high - low) + 1} levels or None"
            )

    def outside(self, x: Tensor) -> Tensor:
        """Where values are no whole numbers within the bounds."""
        low, high = self.bounds
        return (x != x.round()) | (x < low) | (x > high)

    def project(self, x: Tensor, clean: Tensor) -> Tensor:
        """The legal point: there is none between two counts."""
        return self.legalise(x, clean)
