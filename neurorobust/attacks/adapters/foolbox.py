"""Foolbox, both ways: its attacks on a network here, and the attacks here called as its own are.

Reference: Rauber, Zimmermann, Bethge, Brendel, Foolbox Native, JOSS 2020.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from neurorobust.attacks.adapters.module import ScoresModule
from neurorobust.attacks.adapters.require import require
from neurorobust.attacks.base import Attack
from neurorobust.attacks.optimisers.cw import CarliniWagner
from neurorobust.attacks.target import Scored, Target
from neurorobust.attacks.threats import THREATS, Threat
from neurorobust.engine.estimators import Estimator
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput
from neurorobust.ir import Graph
from neurorobust.names import known_name


def to_foolbox(network: Network, estimator: Estimator) -> Any:
    """A Foolbox ``PyTorchModel`` with the bounds of the model.

    Raises:
        BackendUnavailable: if Foolbox is not installed.
        Unsupported: for a model that draws its input.
    """
    foolbox = require("foolbox", "pip install foolbox")
    module = ScoresModule(network, estimator).eval()
    return foolbox.PyTorchModel(
        module, bounds=network.graph.header.bounds, device=network.like.device
    )


@dataclass(frozen=True, slots=True, eq=False)
class Misclassification:
    """Any decision but the label.

    Attributes:
        labels: Shape (B,).
    """

    labels: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class TargetedMisclassification:
    """The decision is the wanted class.

    Attributes:
        target_classes: Shape (B,).
        labels: Shape (B,); the model's clean decisions if None.
    """

    target_classes: Tensor
    labels: Tensor | None = None


Criterion = Misclassification | TargetedMisclassification


class Result(NamedTuple):
    """What was found; lists by epsilon if several were given.

    Attributes:
        raw: What the attack proposed, (B, ...).
        clipped: Legal: within budget and bounds, on the sensor's grid, (B, ...).
        success: Whether the clipped sample meets the criterion, bool (B,), or (epsilons, B). As in
            Foolbox, a sample that is wrong when clean counts as a success.
    """

    raw: Tensor | list[Tensor]
    clipped: Tensor | list[Tensor]
    success: Tensor


@dataclass(frozen=True)
class FoolboxStyle:
    """An attack to be called as ``raw, clipped, success = attack(model, x, y, epsilons=...)``.

    Attributes:
        attack: What is called.
        threat: ``linf``, ``l2``, ``events`` or ``retiming``.
        budgets: Of the threat besides epsilon, for example ``{"insert": 0}``.
    """

    attack: Attack
    threat: str = "linf"
    budgets: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known_name(self.threat, THREATS, "threat model")

    def __call__(
        self,
        model: Graph | Scored,
        inputs: Tensor,
        criterion: Tensor | Criterion,
        *,
        epsilons: float | Sequence[float | None] | None,
        seed: int = 0,
    ) -> Result:
        """Attack all samples at every epsilon.

        Args:
            model: A Graph, a Network or a queried backend.
            inputs: Samples, (B, ...).
            criterion: Labels, or when the attack has reached its end.
            epsilons: One or many budgets; None looks for the smallest move, with C&W.
            seed: Of everything random.

        Raises:
            InvalidInput: for what the attack or the threat refuses, or no epsilons.
        """
        network = Network(model) if isinstance(model, Graph) else model
        labels, wanted = _ends(network, inputs, criterion)
        one = epsilons is None or isinstance(epsilons, float | int)
        asked: list[Any] = [epsilons] if one else [*epsilons]  # type: ignore[misc]
        if not asked:
            raise InvalidInput("epsilons is empty; give at least one")
        x, y, ends = (None if t is None else t.cpu().numpy() for t in (inputs, labels, wanted))
        found = []
        for epsilon in asked:
            threat = self._threat(network, inputs, epsilon)
            made = self.attack(network, x, y, threat, seed=seed, wanted=ends)  # type: ignore[arg-type]
            decided = made.adversarial_decision
            met = decided != y if ends is None else decided == ends
            found.append(tuple(map(torch.from_numpy, (made.raw, made.adversarial, met))))
        raw, clipped, success = (list(part) for part in zip(*found, strict=True))
        if one:
            return Result(raw[0], clipped[0], success[0])
        return Result(raw, clipped, torch.stack(success))

    def _threat(self, network: Scored, x: Tensor, epsilon: float | None) -> Threat:
        header = network.graph.header
        if epsilon is None:
            if not isinstance(self.attack, CarliniWagner):
                raise InvalidInput(f"{self.attack.name} needs an epsilon; without one, use C&W")
            low, high = header.bounds
            epsilon = (high - low) * float(np.prod(x.shape[1:])) ** 0.5
        kind = THREATS[known_name(self.threat, THREATS, "threat model")]
        return kind.of(header, epsilon, **self.budgets)


def _ends(
    network: Scored, x: Tensor, criterion: Tensor | Criterion
) -> tuple[Tensor, Tensor | None]:
    """Labels, and wanted classes of a targeted criterion."""
    if isinstance(criterion, Tensor):
        return criterion, None
    if isinstance(criterion, Misclassification):
        return criterion.labels, None
    if criterion.labels is not None:
        return criterion.labels, criterion.target_classes
    if network.graph.header.coding == "bernoulli":
        raise InvalidInput("with bernoulli coding, state the labels of a targeted criterion")
    x64 = x.to(network.like.device, torch.float64)
    return Target(network, None).decide(x64), criterion.target_classes
