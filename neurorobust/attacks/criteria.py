"""When an attack has reached its end, as Foolbox users know it, and the ways to choose a target."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from neurorobust.attacks.draws import Draws
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array

Mode = Literal["next", "random", "least_likely", "all"]


@dataclass(frozen=True, slots=True, eq=False)
class Misclassification:
    """Any decision but the label.

    Attributes:
        labels: Shape (B,).
    """

    labels: Array


@dataclass(frozen=True, slots=True, eq=False)
class TargetedMisclassification:
    """The decision is the wanted class.

    Attributes:
        target_classes: Shape (B,).
        labels: Shape (B,); the model's clean decisions if None.
    """

    target_classes: Array
    labels: Array | None = None


def choose(mode: str, y: Tensor, scores: Tensor, draws: Draws) -> list[Tensor]:
    """Wanted classes, each (B,), never the label; one entry, or all others in turn.

    Args:
        mode: ``next`` class, ``random`` other, ``least_likely`` other by the clean scores, or
            ``all`` others, the likeliest first.
        y: Labels, (B,).
        scores: Clean scores, (B, classes).
        draws: Of the random mode.

    Raises:
        InvalidInput: for an unknown mode, or a model of one class.
    """
    classes = scores.shape[1]
    if classes < 2:
        msg = "a targeted attack needs at least 2 classes"
        raise InvalidInput(msg)
    if mode == "next":
        return [(y + 1) % classes]
    if mode == "random":
        return [(y + 1 + draws.integers(classes - 1).to(y)) % classes]
    # The label goes to the end in either order.
    if mode == "least_likely":
        return [scores.scatter(1, y[:, None], torch.inf).argmin(1)]
    if mode == "all":
        order = scores.scatter(1, y[:, None], -torch.inf).argsort(
            dim=1, descending=True, stable=True
        )
        return list(order[:, :-1].unbind(1))
    msg = f"no targeted mode is named {mode!r}; known are {', '.join(get_args(Mode))}"
    raise InvalidInput(msg)
