"""What a gradient estimator is: another backward rule for the same forward law."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor

from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput

ESTIMATORS: dict[str, type["Estimator"]] = {}
"""Estimators by name."""

Loss = Callable[[Tensor], Tensor]
"""``scores -> loss``: from (B, classes) to (B,), or to their sum."""


class Estimator(ABC):
    """Scores whose value is that of inference and whose gradient is an estimate.

    Attributes:
        tuned_on: The split on which a hyper-parameter was chosen (see ``tune``), if any was. It is
            among the parameters, so that a record tells whether the attack saw the samples before.
    """

    name: ClassVar[str]
    revision: ClassVar[int] = 1
    """Raised when the same parameters give another gradient."""

    tuned_on: str | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in vars(cls):
            ESTIMATORS[cls.name] = cls

    @abstractmethod
    def scores(self, network: Network, x: Tensor, steps: int) -> Tensor:
        """Scores (B, classes) of a stimulus ``x`` (B, T or 1, ...), differentiable in ``x``."""

    @abstractmethod
    def parameters(self) -> Mapping[str, Any]:
        """Everything that changes the gradient, for records and cache keys."""

    def record(self, **parameters: Any) -> dict[str, Any]:
        """The parameters, with the split they were tuned on if they were."""
        return parameters if self.tuned_on is None else parameters | {"tuned_on": self.tuned_on}

    def describe(self) -> dict[str, Any]:
        """Name, revision and parameters, as part of the record of what is built on this."""
        return {"name": self.name, "revision": self.revision, **self.parameters()}

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
        if not scores.requires_grad:
            msg = (
                f"the {self.name} scores have no gradient by the input; a readout by the first "
                "spike has none, attack a copy of the model that counts spikes"
            )
            raise InvalidInput(msg)
        (found,) = torch.autograd.grad(loss(scores).sum(), at)
        if not (good := torch.isfinite(found)).all():
            bad = int((~good).flatten(1).any(1).sum())
            msg = (
                f"the {self.name} gradient of {bad} sample(s) is NaN or infinite; "
                "use a wider surrogate or detach the reset"
            )
            raise InvalidInput(msg)
        return found

    def reset(self) -> None:  # noqa: B027
        """Forget earlier calls; to be called before each batch. Most estimators keep nothing."""

    def select(self, rows: Tensor) -> None:  # noqa: B027
        """Go on with these samples of the batch, by index or mask, in this order."""

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Learn nothing from the calls within: further draws at the same point."""
        yield


def make_estimator(name: str, **parameters: Any) -> Estimator:
    """An estimator by name.

    Raises:
        InvalidInput: if no estimator has this name, or it has no such parameter.
    """
    if name not in ESTIMATORS:
        msg = f"no gradient estimator is named {name!r}; known are {', '.join(sorted(ESTIMATORS))}"
        raise InvalidInput(msg)
    kind = ESTIMATORS[name]
    known = list(inspect.signature(kind).parameters)
    if unknown := sorted(set(parameters) - set(known)):
        msg = f"{name} has no parameter {', '.join(unknown)}; it takes {', '.join(known)}"
        raise InvalidInput(msg)
    return kind(**parameters)


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
        msg = (
            f"estimator {estimator.name!r} changes the forward pass: {(wanted != given).sum()} of "
            f"{wanted.numel()} scores differ from inference, by up to {worst:.3g}"
        )
        raise InvalidInput(msg)
