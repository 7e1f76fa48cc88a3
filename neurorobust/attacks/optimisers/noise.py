"""The noise floor: what chance alone does within the same budget."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from neurorobust.attacks.base import Attack
from neurorobust.attacks.case import Case
from neurorobust.attacks.knowledge import Knowledge
from neurorobust.attacks.threats import L2, Events, Linf, Retiming, Threat
from neurorobust.attacks.threats.base import norm, per_sample


class Noise(Attack):
    """Base: chance, whatever the model."""

    family: ClassVar[str] = "noise"
    cited: ClassVar[tuple[str, ...]] = ("neurorobust",)
    targetable: ClassVar[bool] = False
    knowledge: ClassVar[Knowledge] = Knowledge.NONE
    distribution: ClassVar[str]

    def parameters(self) -> dict[str, Any]:
        """Which noise."""
        return {"distribution": self.distribution}


@dataclass(frozen=True)
class UniformNoise(Noise):
    """A random point of the budget, evenly within an L-infinity ball."""

    name: ClassVar[str] = "noise"
    revision: ClassVar[int] = 2
    threats: ClassVar[tuple[type[Threat], ...]] = (Linf, L2, Events, Retiming)
    distribution: ClassVar[str] = "uniform"

    def propose(self, case: Case) -> Tensor:
        """A random point of the budget."""
        return case.threat.random(case.x, case.draws)


@dataclass(frozen=True)
class GaussianNoise(Noise):
    """Normal draws, cut at the ball: standard deviation epsilon / 2, or all of an L2 radius."""

    name: ClassVar[str] = "gaussian_noise"
    title: ClassVar[str] = "Gaussian noise"
    distribution: ClassVar[str] = "gaussian"

    def propose(self, case: Case) -> Tensor:
        """A normal draw per value."""
        away, epsilon = case.draws.normal(case.x), case.threat.epsilon
        if isinstance(case.threat, L2):
            moved = away * per_sample(epsilon / norm(away), away)
        else:
            moved = epsilon / 2 * away
        return case.threat.project(case.x + moved, case.x)


@dataclass(frozen=True)
class SignNoise(Noise):
    """Every value moves as far as it may, up or down by chance: the corners of the ball."""

    name: ClassVar[str] = "sign_noise"
    title: ClassVar[str] = "sign noise"
    distribution: ClassVar[str] = "sign"

    def propose(self, case: Case) -> Tensor:
        """A random corner."""
        away, epsilon = case.draws.signs(case.x), case.threat.epsilon
        if isinstance(case.threat, L2):
            away = away * per_sample(1 / norm(away), away)
        return case.threat.project(case.x + epsilon * away, case.x)
