"""Targeted modes: any targetable attack, aimed at chosen classes."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from neurorobust.attacks.base import Attack, require_labels
from neurorobust.attacks.case import Case
from neurorobust.attacks.draws import Draws
from neurorobust.attacks.steps import unfinished
from neurorobust.attacks.target import Scored, Target
from neurorobust.attacks.threats import Threat
from neurorobust.engine.estimators import Estimator
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array
from neurorobust.methods import option
from neurorobust.metrics.intervals import Proportion

Mode = Literal["next", "random", "least_likely", "all"]


@dataclass(frozen=True)
class Targeted(Attack):
    """An attack aimed at the ``next``, a ``random``, the ``least_likely`` or ``all`` other classes.

    One class is reached or not. With ``all``, the classes are tried in turn, the likeliest first,
    and any wrong decision ends the search: the worst case over targets. Where the input is drawn,
    all are tried.

    Attributes:
        attack: What is aimed.
        mode: How classes are chosen.
    """

    name: ClassVar[str] = "targeted"
    cited: ClassVar[tuple[str, ...]] = ("neurorobust",)
    revision: ClassVar[int] = 2
    targetable: ClassVar[bool] = False

    attack: Attack = option()
    mode: Mode = option("all", among=get_args(Mode))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.attack.targetable:
            raise InvalidInput(f"{self.attack.name} cannot aim at a class")
        for key in ("threats", "knowledge"):
            object.__setattr__(self, key, getattr(self.attack, key))

    @property
    def estimator(self) -> Estimator | None:
        """That of the aimed attack."""
        return self.attack.estimator

    def propose(self, case: Case) -> Tensor:
        """The sample that reached its class, or with ``all`` any wrong one."""
        every = torch.arange(len(case), device=case.x.device)
        ends = choose(self.mode, case.y, case.probe(case.x, every), case.draws)
        if self.mode != "all":
            case.wanted = ends[0]
            return self.attack.propose(case)
        proposed = case.x.clone()
        for wanted in ends:
            left = unfinished(case)
            if not len(left):
                break
            part = case.aiming(wanted, strict=False).take(left)
            part.begin()
            proposed[left] = part.best_or(self.attack.propose(part))
        return case.best_or(proposed)


def choose(mode: str, y: Tensor, scores: Tensor, draws: Draws) -> list[Tensor]:
    """Wanted classes, each (B,), never the label; one entry, or all others in turn.

    Args:
        mode: ``next`` class, ``random`` other, ``least_likely`` other by the clean scores, or
            ``all`` others, the likeliest first.
        y: Labels, (B,).
        scores: Clean scores, (B, classes).
        draws: Of the random mode.

    Raises:
        InvalidInput: for a model of one class.
    """
    classes = scores.shape[1]
    if classes < 2:
        raise InvalidInput("a targeted attack needs at least 2 classes")
    if mode == "next":
        return [(y + 1) % classes]
    if mode == "random":
        return [(y + 1 + draws.integers(classes - 1).to(y)) % classes]
    # The label goes to the end in either order.
    if mode == "least_likely":
        return [scores.scatter(1, y[:, None], torch.inf).argmin(1)]
    order = scores.scatter(1, y[:, None], -torch.inf).argsort(dim=1, descending=True, stable=True)
    return list(order[:, :-1].unbind(1))


@dataclass(frozen=True, slots=True, eq=False)
class EveryTarget:
    """A targeted attack at each other class.

    Attributes:
        wanted: Class of each trial, shape (classes - 1, B).
        reached: Whether the legal sample is decided so, shape (classes - 1, B).
    """

    wanted: Array
    reached: Array

    @property
    def mean(self) -> Proportion:
        """Reached, of all pairs of sample and class."""
        return Proportion(int(self.reached.sum()), int(self.reached.size))

    @property
    def worst(self) -> Proportion:
        """Samples of which any class was reached."""
        return Proportion(int(self.reached.any(0).sum()), self.reached.shape[1])


def every_target(
    attack: Attack, network: Scored, x: Array, y: Array, threat: Threat, *, seed: int = 0
) -> EveryTarget:
    """Aim at all other classes of every sample, without stopping, for mean and worst.

    Raises:
        InvalidInput: for labels out of range, and what the attack refuses.
    """
    target, clean = Target(network, None), torch.as_tensor(x).to(network.like.device)
    draws = Draws(seed, np.arange(len(clean)))
    require_labels("labels", np.asarray(y), clean, target.classes)
    labels = torch.as_tensor(y).to(clean.device, torch.int64)
    ends = choose("all", labels, target.scores(clean, draws), draws)
    wanted = np.stack([end.cpu().numpy() for end in ends])
    made = (attack(network, x, y, threat, seed=seed, wanted=end) for end in wanted)
    decided = np.stack([crafted.adversarial_decision for crafted in made])
    return EveryTarget(wanted, decided == wanted)
