"""What iterated attacks share: the steepest direction, who is left, checks of step counts."""

import torch
from torch import Tensor

from neurorobust.attacks.case import Case
from neurorobust.attacks.threats import L2, Threat
from neurorobust.attacks.threats.base import norm, per_sample
from neurorobust.errors import InvalidInput


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


def require_at_least(attack: str, **limits: tuple[float, float]) -> None:
    """Refuse hyper-parameters below their limit.

    Args:
        attack: Named in the message.
        limits: Parameter: (value, smallest legal value).

    Raises:
        InvalidInput: if a value is below its limit or not a number.
    """
    for key, (value, least) in limits.items():
        if not value >= least:
            msg = f"{attack}: {key} is {value}; it must be at least {least:g}"
            raise InvalidInput(msg)
