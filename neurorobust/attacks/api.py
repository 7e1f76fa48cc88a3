"""Attacks as Foolbox users know them: ``raw, clipped, success = PGD()(model, x, y, epsilons=...)``.

Reference: Rauber, Zimmermann, Bethge, Brendel, Foolbox Native, JOSS 2020.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from neurorobust.attacks.crafted import Crafted
from neurorobust.attacks.criteria import Misclassification, TargetedMisclassification
from neurorobust.attacks.cw import CarliniWagner
from neurorobust.attacks.registry import make_attack
from neurorobust.attacks.target import Scored, Target
from neurorobust.attacks.threats import THREATS, Threat
from neurorobust.engine.estimators import Estimator
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array, Graph

Criterion = Misclassification | TargetedMisclassification


class Result(NamedTuple):
    """What was found; lists by epsilon if several were given.

    Attributes:
        raw: What the attack proposed, (B, ...).
        clipped: Legal: within budget and bounds, on the sensor's grid, (B, ...).
        success: Whether the clipped sample meets the criterion, bool (B,), or (epsilons, B). As in
            Foolbox, a sample that is wrong when clean counts as a success.
    """

    raw: Array | list[Array]
    clipped: Array | list[Array]
    success: Array


class Configured:
    """An attack with a norm, to be called on a model and data.

    Args:
        name: See ``attack_names``.
        threat: ``linf``, ``l2``, ``events`` or ``retiming``.
        gradient: Estimator or its name, for attacks with gradients.
        budgets: Of the threat besides epsilon, for example ``{"insert": 0}``.
        parameters: Of the attack.
    """

    def __init__(
        self,
        name: str,
        *,
        threat: str = "linf",
        gradient: Estimator | str | None = None,
        budgets: dict[str, Any] | None = None,
        **parameters: Any,
    ) -> None:
        if threat not in THREATS:
            msg = f"no threat model is named {threat!r}; known are {', '.join(sorted(THREATS))}"
            raise InvalidInput(msg)
        self.attack = make_attack(name, gradient, **parameters)
        self.threat, self.budgets = threat, budgets or {}

    def __call__(
        self,
        model: Graph | Scored,
        inputs: Array | torch.Tensor,
        criterion: Array | torch.Tensor | Criterion,
        *,
        epsilons: float | Sequence[float | None] | Array | None,
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
        x = _numpy(inputs)
        labels, wanted = _ends(network, x, criterion)
        given = epsilons.tolist() if isinstance(epsilons, np.ndarray) else epsilons
        many = isinstance(given, Sequence)
        asked = list(given) if isinstance(given, Sequence) else [given]
        if not asked:
            msg = "epsilons is empty; give at least one"
            raise InvalidInput(msg)
        made = [
            self.attack(network, x, labels, self._threat(network, x, e), seed=seed, wanted=wanted)
            for e in asked
        ]
        success = np.stack([_met(crafted, labels, wanted) for crafted in made])
        if many:
            return Result([m.raw for m in made], [m.adversarial for m in made], success)
        return Result(made[0].raw, made[0].adversarial, success[0])

    def _threat(self, network: Scored, x: Array, epsilon: float | None) -> Threat:
        header = network.graph.header
        if epsilon is None:
            if not isinstance(self.attack, CarliniWagner):
                msg = f"{self.attack.name} needs an epsilon; without one, use C&W"
                raise InvalidInput(msg)
            low, high = header.bounds
            epsilon = (high - low) * float(np.prod(x.shape[1:])) ** 0.5
        return THREATS[self.threat].of(header, epsilon, **self.budgets)

    def __repr__(self) -> str:
        return f"{self.threat} {self.attack.name} {dict(self.attack.parameters())}"


FGSM = partial(Configured, "fgsm")
RFGSM = partial(Configured, "rfgsm")
BIM = partial(Configured, "bim")
MIFGSM = partial(Configured, "mifgsm")
PGD = partial(Configured, "pgd")
L2PGD = partial(Configured, "pgd", threat="l2")
APGD = partial(Configured, "apgd")
L2APGD = partial(Configured, "apgd", threat="l2")
SAPGD = partial(Configured, "sapgd")
L2CarliniWagner = partial(Configured, "cw", threat="l2")
SquareAttack = partial(Configured, "square")
LinfUniformNoise = partial(Configured, "noise")
SpikeFoolAttack = partial(Configured, "spikefool", threat="events")
SDA = partial(Configured, "sda", threat="events")
EventFlipsAttack = partial(Configured, "event_flips", threat="events")
RetimingAttack = partial(Configured, "retiming", threat="retiming")


def _ends(
    network: Scored, x: Array, criterion: Array | torch.Tensor | Criterion
) -> tuple[Array, Array | None]:
    """Labels, and wanted classes of a targeted criterion."""
    if isinstance(criterion, Misclassification):
        return _numpy(criterion.labels), None
    if not isinstance(criterion, TargetedMisclassification):
        return _numpy(criterion), None
    wanted = _numpy(criterion.target_classes)
    if criterion.labels is not None:
        return _numpy(criterion.labels), wanted
    if network.graph.header.coding == "bernoulli":
        msg = "with bernoulli coding, state the labels of a targeted criterion"
        raise InvalidInput(msg)
    x64 = torch.as_tensor(x).to(network.like.device, torch.float64)
    return Target(network, None).decide(x64).cpu().numpy(), wanted


def _met(crafted: Crafted, labels: Array, wanted: Array | None) -> Array:
    decided = crafted.adversarial_decision
    met: Array = decided != labels if wanted is None else decided == wanted
    return met


def _numpy(values: Array | torch.Tensor) -> Array:
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


__all__ = [
    "APGD",
    "BIM",
    "FGSM",
    "L2APGD",
    "L2PGD",
    "MIFGSM",
    "PGD",
    "RFGSM",
    "SAPGD",
    "SDA",
    "Configured",
    "EventFlipsAttack",
    "L2CarliniWagner",
    "LinfUniformNoise",
    "Misclassification",
    "Result",
    "RetimingAttack",
    "SpikeFoolAttack",
    "SquareAttack",
    "TargetedMisclassification",
]
