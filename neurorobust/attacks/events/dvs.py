"""Events added along the border, in a corner or as a dash: no gradient, few queries.

Reference: Marchisio et al., DVS-Attacks: adversarial attacks on dynamic vision sensors for spiking
neural networks, IJCNN 2021.
"""

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.base import Attack
from neurorobust.attacks.case import Case
from neurorobust.attacks.knowledge import Knowledge
from neurorobust.attacks.threats import Events, Threat
from neurorobust.errors import InvalidInput
from neurorobust.methods import option


class PatternAttack(Attack):
    """Base: every channel gets an event wherever a pattern is on; the first that fools is kept.

    A pattern that exceeds a sample's budget is not shown to it.
    """

    family: ClassVar[str] = "events"
    threats: ClassVar[tuple[type[Threat], ...]] = (Events,)
    knowledge: ClassVar[Knowledge] = Knowledge.QUERY_ONLY

    @abstractmethod
    def patterns(self, steps: int, height: int, width: int) -> Iterator[Tensor]:
        """Patterns in the order in which they are tried, bool, each (T, H, W)."""

    def propose(self, case: Case) -> Tensor:
        """The first pattern that fools, else the last one.

        Raises:
            InvalidInput: for samples that are no frames, or if no pattern is within the budget of
                any sample.
        """
        shape = case.x.shape
        if len(shape) < 4:
            msg = f"{self.name} draws on frames (T, ..., H, W); samples have shape {shape[1:]}"
            raise InvalidInput(msg)
        steps, height, width = shape[1], shape[-2], shape[-1]
        left = torch.arange(len(case), device=case.x.device)
        least = math.inf
        for pattern in self.patterns(steps, height, width):
            on = pattern.to(case.x.device).view(steps, *[1] * (len(shape) - 4), height, width)
            drawn = torch.where(on, case.x.clamp(min=1), case.x)
            added = (drawn != case.x).flatten(1).sum(1)
            least = min(least, int(added.min()))
            shown = left[added[left] <= _room(case.threat)]
            if not len(shown):
                continue
            _, fooled = case.take(shown).see(drawn[shown])
            left = left[~torch.isin(left, shown[fooled])]
            if not len(left):
                break
        if least > _room(case.threat) > 0:
            raise InvalidInput(
                f"{self.name}: its smallest pattern adds {least} events to a sample, the budget is "
                f"{_room(case.threat):g}; raise epsilon"
            )
        return case.best


def _room(threat: Threat) -> float:
    """Events that may be added."""
    insert = threat.insert if isinstance(threat, Events) else None
    return threat.epsilon if insert is None else min(threat.epsilon, insert)


@dataclass(frozen=True)
class FrameAttack(PatternAttack):
    """All pixels of the border are on in every step.

    Attributes:
        thickness: Of the border in pixels, at least 1.
    """

    name: ClassVar[str] = "dvs_frame"
    title: ClassVar[str] = "DVS frame"
    cited: ClassVar[tuple[str, ...]] = ("marchisio2021dvsattacks",)

    thickness: int = option(1, low=1)

    def patterns(self, steps: int, height: int, width: int) -> Iterator[Tensor]:
        """The border."""
        on = torch.ones(steps, height, width, dtype=torch.bool)
        rim = self.thickness
        on[:, rim : height - rim, rim : width - rim] = False
        yield on


@dataclass(frozen=True)
class CornerAttack(PatternAttack):
    """A square in a corner, on in every step, grows and moves from corner to corner.

    Attributes:
        largest: Side of the last square in pixels, at least 1.
    """

    name: ClassVar[str] = "dvs_corner"
    title: ClassVar[str] = "DVS corner"
    cited: ClassVar[tuple[str, ...]] = ("marchisio2021dvsattacks",)

    largest: int = option(8, low=1)

    def patterns(self, steps: int, height: int, width: int) -> Iterator[Tensor]:
        """Squares by side, each in all four corners."""
        for side in range(1, min(self.largest, height, width) + 1):
            for rows in (slice(0, side), slice(height - side, height)):
                for columns in (slice(0, side), slice(width - side, width)):
                    on = torch.zeros(steps, height, width, dtype=torch.bool)
                    on[:, rows, columns] = True
                    yield on


@dataclass(frozen=True)
class DashAttack(PatternAttack):
    """Two neighbouring pixels are on in every step; the place moves until the model is fooled.

    Attributes:
        stride: Distance of tried places in pixels, at least 1.
        hold: Aware of mask filters, which drop pixels that stay on: the dash moves on by its own
            length every ``hold`` steps. None leaves it where it is.
    """

    name: ClassVar[str] = "dvs_dash"
    title: ClassVar[str] = "DVS dash"
    cited: ClassVar[tuple[str, ...]] = ("marchisio2021dvsattacks",)

    stride: int = option(2, low=1)
    hold: int | None = option(None, low=1)

    def patterns(self, steps: int, height: int, width: int) -> Iterator[Tensor]:
        """Dashes row by row."""
        time = torch.arange(steps)
        drift = torch.zeros_like(time) if self.hold is None else 2 * (time // self.hold)
        for row in range(0, height, self.stride):
            for column in range(0, max(width - 1, 1), self.stride):
                on = torch.zeros(steps, height, width, dtype=torch.bool)
                for pixel in (0, 1):
                    on[time, row, (column + drift + pixel) % width] = True
                yield on
