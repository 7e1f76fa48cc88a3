"""Targeted modes: any targetable attack, aimed at chosen classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from neurorobust.attacks.base import Attack, record
from neurorobust.attacks.case import Case
from neurorobust.attacks.criteria import Mode, choose
from neurorobust.attacks.draws import Draws
from neurorobust.attacks.steps import unfinished
from neurorobust.attacks.target import Scored, Target
from neurorobust.attacks.threats import Threat
from neurorobust.engine.estimators import Estimator
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array
from neurorobust.metrics.intervals import Proportion


class Targeted(Attack):
    """An attack aimed at the ``next``, a ``random``, the ``least_likely`` or ``all`` other classes.

    One class is reached or not. With ``all``, the classes are tried in turn, the likeliest first,
    and any wrong decision ends the search: the worst case over targets. Where the input is drawn,
    all are tried.

    Args:
        attack: What is aimed.
        mode: How classes are chosen.
    """

    name: ClassVar[str] = "targeted"
    revision: ClassVar[int] = 2
    targetable: bool = False

    def __init__(self, attack: Attack, mode: Mode = "all") -> None:
        if not attack.targetable:
            msg = f"{attack.name} cannot aim at a class"
            raise InvalidInput(msg)
        self.attack, self.mode = attack, mode
        self.threats, self.knowledge = attack.threats, attack.knowledge

    @property
    def estimator(self) -> Estimator | None:
        """That of the aimed attack."""
        return self.attack.estimator

    def parameters(self) -> Mapping[str, Any]:
        """Mode and attack."""
        return {"mode": self.mode, "attack": record(self.attack)}

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
    labels = torch.as_tensor(y).to(clean.device, torch.int64)
    if len(labels) != len(clean) or ((labels < 0) | (labels >= target.classes)).any():
        msg = (
            f"labels must be {len(clean)} numbers in 0..{target.classes - 1}, got shape "
            f"{tuple(labels.shape)} with range {labels.min()}..{labels.max()}"
        )
        raise InvalidInput(msg)
    ends = choose("all", labels, target.scores(clean, draws), draws)
    wanted = np.stack([end.cpu().numpy() for end in ends])
    made = (attack(network, x, y, threat, seed=seed, wanted=end) for end in wanted)
    decided = np.stack([crafted.adversarial_decision for crafted in made])
    return EveryTarget(wanted, decided == wanted)
