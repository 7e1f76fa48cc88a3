"""What iterated attacks share: the steepest direction, who is left, when to look back."""

from typing import Protocol

import torch
from torch import Tensor

from neurorobust.attacks.case import Case
from neurorobust.attacks.threats import L2, Threat
from neurorobust.attacks.threats.base import norm, per_sample
from neurorobust.errors import InvalidInput


class Stepping(Protocol):
    """An attack whose step is stated in the unit of the threat or in units of epsilon."""

    @property
    def title(self) -> str:
        """The attack as papers write it."""
        ...

    @property
    def step(self) -> float | None:
        """In the unit of the threat."""
        ...

    @property
    def relative_step(self) -> float | None:
        """In units of epsilon; the usual one where neither was given."""
        ...


def settle_step(attack: Stepping, usual: float) -> None:
    """Give an attack its usual relative step where none was stated.

    Raises:
        InvalidInput: if both were.
    """
    if attack.step is None:
        if attack.relative_step is None:
            object.__setattr__(attack, "relative_step", usual)
    elif attack.relative_step is not None:
        raise InvalidInput(
            f"{attack.title}: step is {attack.step:g} and relative_step is "
            f"{attack.relative_step:g}; give one of them"
        )


def step_size(attack: Stepping, threat: Threat) -> float:
    """Of a step, in the unit of the threat."""
    if attack.step is not None:
        return attack.step
    assert attack.relative_step is not None  # noqa: S101  # settled
    return attack.relative_step * threat.epsilon


def steepest(gradient: Tensor, threat: Threat) -> Tensor:
    """The move of size 1 that raises a linear loss most: ``sign g``, or ``g / ||g||_2`` in L2."""
    if not isinstance(threat, L2):
        return gradient.sign()
    length = norm(gradient)
    return gradient * per_sample(torch.where(length > 0, 1 / length.clamp(min=1e-300), 0), gradient)


def unit_mean(gradient: Tensor) -> Tensor:
    """``g / mean|g|`` per sample; 0 where the gradient is 0."""
    size = gradient.abs().flatten(1).mean(1)
    return gradient / per_sample(torch.where(size > 0, size, 1.0), gradient)


def unfinished(case: Case) -> Tensor:
    """Rows worth more work: not found yet, and all where the input is drawn, since votes err."""
    left = ~case.found | case.target.stochastic
    return torch.nonzero(left)[:, 0]


def checkpoints(steps: int) -> list[int]:
    """Numbers of steps done: first after 0.22 N, then ever closer, by 0.03 N less, down to 0.06 N.

    Reference:
        Croce, Hein, Reliable evaluation of adversarial robustness with an ensemble of diverse
        parameter-free attacks, ICML 2020.
    """
    interval, least, shrink = (max(int(part * steps), 1) for part in (0.22, 0.06, 0.03))
    found: list[int] = []
    at = interval
    while at <= steps:
        found.append(at)
        interval = max(interval - shrink, least)
        at += interval
    return found
