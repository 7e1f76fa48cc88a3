"""Gradients and scores as a source gives them, before anything refuses them."""

import torch
from torch import Tensor

from neurorobust.attacks import Draws, Target
from neurorobust.attacks.losses import cross_entropy
from neurorobust.audit.foreign import ForeignTarget
from neurorobust.errors import InvalidInput


def raw_gradient(target: Target, x: Tensor, y: Tensor, draws: Draws) -> Tensor:
    """Gradient of the cross-entropy, (B, ...), with what is not finite left in it.

    Raises:
        InvalidInput: if there is none.
    """
    if target.estimator is not None:
        target.estimator.reset()
    try:
        if isinstance(target, ForeignTarget):
            given = target.subject.gradient(x.to(target.dtype), y)
        else:
            at = x.detach().requires_grad_()
            scores = target.differentiable(at, draws)
            loss = cross_entropy(scores * target.scale, y, None).sum()
            (given,) = torch.autograd.grad(loss, at, allow_unused=True)
    except RuntimeError as error:
        raise InvalidInput(f"the backward pass fails: {str(error).splitlines()[0]}") from error
    if given is None:
        raise InvalidInput("the scores do not depend on the input: the graph is cut")
    if given.shape != x.shape:
        msg = f"the gradient has shape {tuple(given.shape)}, the samples {tuple(x.shape)}"
        raise InvalidInput(msg)
    return given.detach().to(x.dtype)


def inferred(target: Target, x: Tensor, draws: Draws) -> Tensor:
    """Scores of one forward pass of inference, (B, classes)."""
    if isinstance(target, ForeignTarget):
        return target.inferred(x)
    with torch.no_grad():
        stimulus = target.present(x, draws)
        return target.network.run(stimulus, steps_of(target, stimulus))


def steps_of(target: Target, stimulus: Tensor) -> int:
    """Number of steps a stimulus is shown for."""
    return stimulus.shape[1] if target.coding == "events" else target.steps
