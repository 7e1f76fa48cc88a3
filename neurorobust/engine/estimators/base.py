"""What a gradient estimator is: another backward rule for the same forward law."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput
from neurorobust.methods import Method, make, option

ESTIMATORS: dict[str, type["Estimator"]] = {}
"""Estimators by name."""

Loss = Callable[[Tensor], Tensor]
"""``scores -> loss``: from (B, classes) to (B,), or to their sum."""


@dataclass(frozen=True)
class Estimator(Method):
    """Scores whose value is that of inference and whose gradient is an estimate.

    Attributes:
        tuned_on: The split on which a hyper-parameter was chosen (see ``tune``), if any was. It is
            among the parameters, so that a record tells whether the attack saw the samples before.
    """

    kind: ClassVar[str] = "gradient"
    registry: ClassVar[dict[str, type[Any]]] = ESTIMATORS

    _: KW_ONLY
    tuned_on: str | None = option(None, sparse=True)

    @abstractmethod
    def scores(self, network: Network, x: Tensor, steps: int) -> Tensor:
        """Scores (B, classes) of a stimulus ``x`` (B, T or 1, ...), differentiable in ``x``."""

    def inference(self, network: Network, x: Tensor, steps: int) -> Tensor:
        """What the scores must equal to the last bit: the network's own scores by default."""
        return network.run(x, steps)

    def steps_drawn(self, steps: int) -> int:
        """Steps T to draw of an input that is coded in drawn spikes."""
        return steps

    def gradient(self, network: Network, x: Tensor, steps: int, loss: Loss) -> Tensor:
        """Gradient of a loss of the scores, summed over samples, at the stimulus ``x``.

        Raises:
            InvalidInput: if the scores do not depend on the input, or the gradient is not finite.
        """
        at = x.detach().requires_grad_()
        with torch.enable_grad():
            scores = self.scores(network, at, steps)
        (found,) = torch.autograd.grad(loss(differentiable(self.name, scores)).sum(), at)
        return finite(self.name, found)

    def reset(self) -> None:
        """Forget earlier calls; to be called before each batch. Most estimators keep nothing."""

    def select(self, rows: Tensor) -> None:
        """Go on with these samples of the batch, by index or mask, in this order."""

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Learn nothing from the calls within: further draws at the same point."""
        yield


def differentiable(name: str, scores: Tensor) -> Tensor:
    """Scores that depend on the input.

    Raises:
        InvalidInput: if they do not.
    """
    if not scores.requires_grad:
        raise InvalidInput(
            f"the {name} scores have no gradient by the input; a readout by the first spike has "
            "none, attack a copy of the model that counts spikes"
        )
    return scores


def finite(name: str, gradient: Tensor) -> Tensor:
    """A gradient (B, ...) whose values are numbers.

    Raises:
        InvalidInput: if a value is not.
    """
    if not (good := torch.isfinite(gradient)).all():
        bad = int((~good).flatten(1).any(1).sum())
        raise InvalidInput(
            f"the {name} gradient of {bad} sample(s) is NaN or infinite; use a wider surrogate or "
            "detach the reset"
        )
    return gradient


def make_estimator(name: str, **parameters: Any) -> Estimator:
    """An estimator by name; see ``make``."""
    return make(ESTIMATORS, "gradient estimator", name, **parameters)


def estimator_of(given: Estimator | str) -> Estimator:
    """An estimator, also by its name."""
    return make_estimator(given) if isinstance(given, str) else given


def assert_forward_identity(estimator: Estimator, network: Network, x: Tensor, steps: int) -> None:
    """Hold an estimator to its promise on real data before its gradients are used.

    Raises:
        InvalidInput: if a score differs in a single bit from inference.
    """
    with torch.no_grad():
        wanted = estimator.inference(network, x, steps)
    given = estimator.scores(network, x, steps).detach()
    estimator.reset()
    if not torch.equal(wanted, given):
        worst = (wanted - given).abs().max().item()
        raise InvalidInput(
            f"estimator {estimator.name!r} changes the forward pass: {(wanted != given).sum()} of "
            f"{wanted.numel()} scores differ from inference, by up to {worst:.3g}"
        )
