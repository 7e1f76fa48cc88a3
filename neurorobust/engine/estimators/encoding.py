"""Gradients through an encoder that draws spikes.

Reference: Athalye, Engstrom, Ilyas, Kwok, Synthesizing robust adversarial examples, ICML 2018 (the
mean over draws); Bengio, Léonard, Courville, 2013 (straight through).
"""

from typing import Any

import torch
from torch import Tensor

from neurorobust.engine.estimators.base import Estimator, Loss
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput
from neurorobust.ir import Header


def bernoulli(x: Tensor, header: Header, steps: int, generator: torch.Generator) -> Tensor:
    """Spikes (B, T, ...) with the value of ``x`` as their probability; straight through backwards.

    The derivative is that of the expectation, ``1 / (high - low)`` for each step. The same function
    serves for scoring: every call draws anew.

    Args:
        x: Values (B, ...) within the header's bounds.
        header: Its bounds are the values of probability 0 and 1.
        steps: Number of steps T.
        generator: Source of the spikes, on the device of ``x``.
    """
    low, high = header.bounds
    chance = (x - low) / (high - low)
    shape = (len(x), steps, *x.shape[1:])
    uniform = torch.rand(shape, generator=generator, device=x.device, dtype=x.dtype)
    drawn: Tensor = _StraightThrough.apply(chance, uniform)  # type: ignore[no-untyped-call]
    return drawn


def expected_gradient(
    estimator: Estimator,
    network: Network,
    x: Tensor,
    loss: Loss,
    *,
    generator: torch.Generator,
    draws: int = 10,
    steps: int | None = None,
) -> Tensor:
    """Mean over fresh encodings of the gradient at the values ``x`` (B, ...) of a Bernoulli input.

    Args:
        estimator: Of each draw; it learns from the first only.
        network: Its header's coding must be ``bernoulli``.
        x: Values (B, ...).
        loss: Of the scores (B, classes), (B,) or summed.
        generator: Source of the spikes.
        draws: Number of encodings, at least 1.
        steps: Overrides the header's T.

    Raises:
        InvalidInput: for another coding, no draws, or a gradient that is missing or not finite.
    """
    header = network.graph.header
    if header.coding != "bernoulli" or draws < 1:
        raise InvalidInput(
            f"the coding is {header.coding!r} and draws is {draws}; a mean over encodings takes "
            "bernoulli coding and at least one draw"
        )
    steps = steps or header.steps
    total = torch.zeros_like(x)
    for index in range(draws):
        at = x.detach().requires_grad_()
        spikes = bernoulli(at, header, steps, generator)
        if index:
            with estimator.frozen():
                by_spikes = estimator.gradient(network, spikes, steps, loss)
        else:
            by_spikes = estimator.gradient(network, spikes, steps, loss)
        (found,) = torch.autograd.grad(spikes, at, by_spikes)
        total += found
    return total / draws


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, chance: Tensor, uniform: Tensor) -> Tensor:
        return (uniform < chance.unsqueeze(1)).to(chance.dtype)

    @staticmethod
    def backward(_ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0].sum(1), None
