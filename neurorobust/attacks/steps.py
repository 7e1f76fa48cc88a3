"""What iterated attacks share: the steepest direction, who is left, when to look back."""

import torch
from torch import Tensor

from neurorobust.attacks.case import Case
from neurorobust.attacks.threats import L2, Threat
from neurorobust.attacks.threats.base import norm, per_sample


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
