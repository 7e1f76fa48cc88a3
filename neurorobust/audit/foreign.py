"""Evaluations of other software: a model by its scores, and the gradient of its attack."""

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from neurorobust.attacks import Target
from neurorobust.attacks.draws import Draws
from neurorobust.attacks.losses import LOSSES, Loss, cross_entropy
from neurorobust.engine.estimators import Estimator
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput, Unsupported


@runtime_checkable
class Evaluated(Protocol):
    """What has to be known of an evaluation made elsewhere.

    An object may also have ``name`` and ``content_hash`` (texts).
    """

    bounds: tuple[float, float]
    """Smallest and largest legal input."""

    def scores(self, x: Tensor) -> Tensor:
        """Scores (B, classes) of samples (B, ...), as they decide."""
        ...

    def gradient(self, x: Tensor, y: Tensor) -> Tensor | None:
        """Gradient of the attack's loss at ``x`` for the labels (B,), per sample, (B, ...)."""
        ...


@runtime_checkable
class Differentiable(Protocol):
    """An evaluation that also shows of which scores its gradient is."""

    def differentiable(self, x: Tensor) -> Tensor:
        """Scores (B, classes) with their gradient, as the attack sees them."""
        ...


class ForeignTarget(Target):
    """An ``Evaluated`` object as attacks here see it.

    Args:
        subject: The object.
        x: Samples (B, ...), to learn shape and classes from.
        eot: Forward and backward passes per gradient.
        votes: Forward passes per decision.
        dtype: In which the object computes.
    """

    def __init__(
        self, subject: Evaluated, x: Tensor, *, eot: int, votes: int, dtype: torch.dtype
    ) -> None:
        if eot < 1 or votes < 1:
            msg = f"eot is {eot} and votes is {votes}; at least one draw each is needed"
            raise InvalidInput(msg)
        self.subject, self.dtype, self.estimator = subject, dtype, None
        self.bounds, self.shape = subject.bounds, tuple(x.shape[1:])
        self.steps, self.coding, self.scale = 1, "direct", 1.0
        # Its draws are its own: numbers by seed and sample cannot be asked for.
        self.stochastic, self.eot, self.votes = False, eot, votes
        self.classes = self.inferred(x[:1]).shape[1]

    def inferred(self, x: Tensor) -> Tensor:
        """Scores of one forward pass."""
        with torch.no_grad():
            return self.subject.scores(x.to(self.dtype)).detach()

    def look(self, x: Tensor, draws: Draws | None = None) -> tuple[Tensor, Tensor]:
        """Scores (B, classes), averaged over the votes, and the decision of most votes, (B,)."""
        scores = torch.stack([self.inferred(x) for _ in range(self.votes)])
        decided = torch.nn.functional.one_hot(scores.argmax(2), self.classes).sum(0).argmax(1)
        return scores.mean(0), decided

    def ascent(
        self,
        x: Tensor,
        y: Tensor,
        wanted: Tensor | None = None,
        *,
        loss: Loss = LOSSES["ce"],
        draws: Draws | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The cross-entropy with the object's own gradient; other losses by its scores."""
        if loss is not cross_entropy or wanted is not None:
            return super().ascent(x, y, wanted, loss=loss, draws=draws)
        value = cross_entropy(self.inferred(x).to(x.dtype), y, None)
        total = torch.zeros_like(x)
        for _ in range(self.eot):
            found = self.subject.gradient(x.to(self.dtype), y)
            if found is None:
                raise InvalidInput("the evaluation gives no gradient")
            total += found.detach().to(x.dtype) / self.eot
        return value, self._finite(total)

    def differentiable(self, x: Tensor, draws: Draws | None = None) -> Tensor:
        """Scores of which the gradient is.

        Raises:
            Unsupported: if the object does not show them.
            InvalidInput: if they have no gradient.
        """
        if not isinstance(self.subject, Differentiable):
            msg = "the evaluation shows no differentiable scores; give it differentiable(x)"
            raise Unsupported(msg)
        scores = self.subject.differentiable(x.to(self.dtype))
        if not scores.requires_grad:
            raise InvalidInput("the evaluation's scores have no gradient by the input")
        return scores


class Given(Estimator):
    """Stands for a gradient that a ``ForeignTarget`` brings along."""

    def scores(self, network: Network, x: Tensor, steps: int) -> Tensor:
        """Never asked."""
        raise Unsupported("this gradient belongs to an evaluation made elsewhere")

    def parameters(self) -> dict[str, Any]:
        """None."""
        return {}
