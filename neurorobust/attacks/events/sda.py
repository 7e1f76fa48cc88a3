"""SDA: the sparse dynamic attack flips few bins of binary frames, each measured before it is kept.

Reference: released with PDSG, potential-dependent surrogate gradients, CVPR 2025.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import margin
from neurorobust.attacks.threats import Events, Threat
from neurorobust.errors import InvalidInput
from neurorobust.methods import option

PROBES = 128
"""Flips measured in one batch."""
SHARE = 4
"""Part of the remaining budget that is spent on neutral flips at once."""


@dataclass(frozen=True)
class SparseDynamicAttack(GradientAttack):
    """Flips few bins of binary frames: generate, measure, keep or undo.

    In round n the ``first (n + 1)`` bins with the largest gradient whose flip goes along its sign
    are flipped one by one and asked for; those that raise the margin loss are kept together, the
    best first as far as the budget goes. Quantised scores have plateaus on which no flip raises it:
    there a few that do not lower it are kept, to leave the plateau. Once the model is fooled, a
    binary search undoes as many of the least useful flips as possible.

    Attributes:
        rounds: At most, at least 1.
        first: Bins measured in the first round, at least 1.
    """

    name: ClassVar[str] = "sda"
    title: ClassVar[str] = "SDA"
    cited: ClassVar[tuple[str, ...]] = ("lun2025towards",)
    revision: ClassVar[int] = 2
    family: ClassVar[str] = "events"
    threats: ClassVar[tuple[type[Threat], ...]] = (Events,)

    rounds: int = option(500, low=1)
    first: int = option(10, low=1)

    def propose(self, case: Case) -> Tensor:
        """Sample by sample.

        Raises:
            InvalidInput: for frames that are not binary.
        """
        if tuple(case.threat.bounds) != (0, 1):
            raise InvalidInput(
                f"SDA flips binary frames; the bounds are {case.threat.bounds}, "
                "use event_flips on counts"
            )
        for row in range(len(case)):
            self._one(case.take(torch.tensor([row], device=case.x.device)))
        return case.best

    def _one(self, case: Case) -> None:
        moving = case.x.clone()
        effect = torch.zeros(moving[0].numel(), dtype=moving.dtype, device=moving.device)
        _, fooled = case.see(moving)
        for turn in range(self.rounds):
            if fooled.all() or case.threat.size(moving, case.x) >= case.threat.epsilon:
                break
            value, gradient = case.ascent(moving, margin)
            flips = self._candidates(case, moving, gradient, self.first * (turn + 1))
            if not len(flips):
                break
            gains = self._measure(case, moving, flips) - value
            kept = self._keep(case, moving, flips, gains)
            effect[flips[kept]] = gains[kept]
            kept, flat = flips[kept], moving.view(-1)
            flat[kept] = 1 - flat[kept]
            _, fooled = case.see(moving)
        if fooled.all():
            self._reduce(case, moving, effect)

    @staticmethod
    def _room(case: Case, moving: Tensor) -> list[tuple[Tensor, int]]:
        """Unchanged bins that a budget is on, and how many more may change; first all bins."""
        threat, now = case.threat, moving.view(-1)
        assert isinstance(threat, Events)  # noqa: S101  # the base admits no other
        new, change = now == case.x.reshape(-1), now - case.x.reshape(-1)
        limits = (
            (threat.epsilon, new, change != 0),
            (threat.insert, new & (now == 0), change > 0),
            (threat.remove, new & (now == 1), change < 0),
        )
        return [
            (kind, int(budget) - int(spent.sum()))
            for budget, kind, spent in limits
            if budget is not None
        ]

    @classmethod
    def _candidates(cls, case: Case, moving: Tensor, gradient: Tensor, count: int) -> Tensor:
        """Bins with the largest gradient whose flip follows its sign and is still allowed."""
        slope, now = gradient.view(-1), moving.view(-1)
        along = torch.where(slope * (1 - 2 * now) > 0, slope.abs(), 0.0)
        for kind, left in cls._room(case, moving):
            along = along * ~(kind & (left < 1))
        order = along.argsort(descending=True, stable=True)[:count]
        return order[along[order] > 0]

    def _keep(self, case: Case, moving: Tensor, flips: Tensor, gains: Tensor) -> Tensor:
        """Which flips raise the loss, else a few neutral ones, the best within every budget."""
        order = gains.argsort(descending=True, stable=True)
        wished, limits = gains[order] > 0, self._room(case, moving)
        if not wished.any():
            bins, left = limits[0]
            wished = (gains[order] == 0) & bins[flips[order]]
            limits.append((bins, min(self.first, max(1, left // SHARE))))
        for kind, left in limits:
            new = kind[flips[order]]
            wished = wished & ~(new & ((wished & new).cumsum(0) > left))
        return order[wished]

    @staticmethod
    def _measure(case: Case, moving: Tensor, flips: Tensor) -> Tensor:
        """Margin loss after each flip alone."""
        found = []
        for part in flips.split(PROBES):
            probes = moving.repeat(len(part), *[1] * (moving.ndim - 1))
            flat, each = probes.view(len(part), -1), torch.arange(len(part), device=part.device)
            flat[each, part] = 1 - flat[each, part]
            owner = torch.zeros(len(part), dtype=torch.int64, device=part.device)
            wanted = None if case.wanted is None else case.wanted.expand(len(part))
            scores = case.probe(probes, owner) * case.target.scale
            found.append(margin(scores, case.y.expand(len(part)), wanted))
        return torch.cat(found).to(moving)

    @staticmethod
    def _reduce(case: Case, moving: Tensor, effect: Tensor) -> None:
        """The most of the least useful flips that can be undone together."""
        changed = torch.nonzero((moving != case.x).view(-1))[:, 0]
        order = changed[effect[changed].argsort(stable=True)]
        undone, tried = 0, len(order)
        while tried - undone > 1:
            middle = (undone + tried) // 2
            fewer = moving.clone()
            fewer.view(-1)[order[:middle]] = case.x.reshape(-1)[order[:middle]]
            _, fooled = case.see(fewer)
            undone, tried = (middle, tried) if fooled.all() else (undone, middle)
