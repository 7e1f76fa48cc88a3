"""Several estimators at once.

Reference: Hao et al., ICLR 2024 (HART with STBP); Xu et al., Attacking the spike, 2022, and its
follow-ups (mixtures against networks whose best estimator is not known).
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from neurorobust.engine.estimators.base import Estimator, estimator_of
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput
from neurorobust.methods import option


def _members(given: Sequence[Estimator] | str) -> tuple[Estimator, ...]:
    """Estimators, also by names joined by ``+``."""
    return tuple(map(estimator_of, given.split("+") if isinstance(given, str) else given))


@dataclass(frozen=True)
class Mix(Estimator):
    """Weighted mean of the gradients of other estimators.

    Attributes:
        members: The estimators; those with another forward pass than inference are refused.
        weights: One per member, at least 0, with a sum above 0; None takes them all alike.
            They are kept with a sum of 1.
        normalise: Whether each member's gradient is first divided by its mean magnitude, sample by
            sample (default), or taken raw. Raw, a member with an exploding gradient stands alone.
    """

    name: ClassVar[str] = "mix"
    family: ClassVar[str] = "composite"
    cited: ClassVar[tuple[str, ...]] = ("hao2024threaten", "xu2022attacking")

    members: Sequence[Estimator] = option(read=_members)
    weights: Sequence[float] = option(None)
    _: KW_ONLY
    normalise: bool = option(default=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        count = len(self.members)
        given = tuple([1.0] * count if self.weights is None else self.weights)
        if not count or len(given) != count:
            msg = f"a mix takes members and one weight each, got {count} and {len(given)}"
            raise InvalidInput(msg)
        if not all(w >= 0 for w in given) or not 0 < sum(given) < float("inf"):
            msg = f"mix weights are {given}; they must be at least 0, finite, and not all 0"
            raise InvalidInput(msg)
        object.__setattr__(self, "weights", tuple(w / sum(given) for w in given))

    def inference(self, network: Network, x: Tensor, steps: int) -> Tensor:
        """That of the members, which is the same for all."""
        return self.members[0].inference(network, x, steps)

    def scores(self, network: Network, x: Tensor, steps: int) -> Tensor:
        """Scores of inference, with the mean of the gradients.

        Raises:
            InvalidInput: if the members differ in a score.
        """
        total: Tensor | None = None
        first: Tensor | None = None
        for member, weight in zip(self.members, self.weights, strict=True):
            # Each member sees the input through a gate of its own, where its gradient is complete.
            gate: Tensor = _Gate.apply(x, weight, self.normalise)  # type: ignore[no-untyped-call]
            scores = member.scores(network, gate, steps)
            value = scores.detach()
            if first is None:
                first = value
            elif not torch.equal(first, value):
                msg = f"a mix needs one forward pass; {member.name} differs from the first member"
                raise InvalidInput(msg)
            total = scores - value if total is None else total + (scores - value)
        assert first is not None  # noqa: S101  # there is at least one member
        return first if total is None else first + total

    def reset(self) -> None:
        """Reset every member."""
        for member in self.members:
            member.reset()

    def select(self, rows: Tensor) -> None:
        """Select in every member."""
        for member in self.members:
            member.select(rows)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze every member."""
        with ExitStack() as stack:
            for member in self.members:
                stack.enter_context(member.frozen())
            yield


class _Gate(torch.autograd.Function):
    """The identity; backwards a weight, and division by the mean magnitude per sample."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float, normalise: bool) -> Tensor:  # noqa: FBT001
        ctx.rule = weight, normalise
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        weight, normalise = ctx.rule
        g = grads[0]
        if normalise:
            size = g.abs().flatten(1).mean(1).reshape(-1, *[1] * (g.ndim - 1))
            g = g / torch.where(size > 0, size, torch.ones_like(size))
        return weight * g, None, None
