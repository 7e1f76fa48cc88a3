"""What a gradient estimator is: another backward rule for the same forward law."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput

ESTIMATORS: dict[str, type["Estimator"]] = {}
"""Estimators by name."""


class Estimator(ABC):
    """Scores whose value is that of inference and whose gradient is an estimate."""

    name: ClassVar[str]
    revision: ClassVar[int] = 1
    """Raised when the same parameters give another gradient."""

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


def make_estimator(name: str, **parameters: Any) -> Estimator:
    """An estimator by name.

    Raises:
        InvalidInput: if no estimator has this name.
    """
    if name not in ESTIMATORS:
        msg = f"no gradient estimator is named {name!r}; known are {', '.join(sorted(ESTIMATORS))}"
        raise InvalidInput(msg)
    return ESTIMATORS[name](**parameters)


def assert_forward_identity(estimator: Estimator, network: Network, x: Tensor, steps: int) -> None:
    """Hold an estimator to its promise on real data before its gradients are used.

    Raises:
        InvalidInput: if a score differs in a single bit from inference.
    """
    with torch.no_grad():
        wanted = network.run(x, steps)
    given = estimator.scores(network, x, steps).detach()
    if not torch.equal(wanted, given):
        worst = (wanted - given).abs().max().item()
        msg = (
            f"estimator {estimator.name!r} changes the forward pass: {(wanted != given).sum()} of "
            f"{wanted.numel()} scores differ from inference, by up to {worst:.3g}"
        )
        raise InvalidInput(msg)
