"""Spike retiming: every event may choose another time bin; counts are preserved exactly.

Reference: Spike-retiming attacks, ICLR 2026.
"""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from neurorobust.attacks.base import GradientAttack
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import LOSSES
from neurorobust.attacks.steps import unit_mean
from neurorobust.attacks.threats import Retiming, Threat
from neurorobust.attacks.threats.retiming import event_places
from neurorobust.methods import option

LIMIT = 10.0
"""Logits stay within plus and minus this."""


@dataclass(frozen=True)
class SpikeRetiming(GradientAttack):
    """Signed steps on the logits of every event's shifts.

    Forward, events move to the free bins they prefer (``Retiming.retime``). Backward, the frame is
    the expected one under the softmax of the logits: the gradient passes the projection straight
    through. Expected bins above their bound and sums above their budget are penalised.

    Attributes:
        gradient: The estimator. One that treats all steps alike cannot tell when to move an event;
            use STBP or another that unrolls time.
        steps: Number of steps, at least 1.
        step: Of the logits, above 0.
        capacity: Weight of expected counts above the bound, squared.
        budget: Weight of expected sums above their budget, relative.
        loss: ``ce``, ``margin`` or ``dlr``.
    """

    name: ClassVar[str] = "retiming"
    cited: ClassVar[tuple[str, ...]] = ("yu2026time",)
    revision: ClassVar[int] = 2
    family: ClassVar[str] = "events"
    threats: ClassVar[tuple[type[Threat], ...]] = (Retiming,)

    steps: int = option(20, low=1)
    _: KW_ONLY
    step: float = option(1.0, above=0)
    capacity: float = option(20.0, low=0)
    budget: float = option(10.0, low=0)
    loss: str = option("ce", among=LOSSES)

    def propose(self, case: Case) -> Tensor:
        """The frames that last fooled the surrogate, else the last ones."""
        threat = case.threat
        assert isinstance(threat, Retiming)  # noqa: S101  # the base admits no other
        events = _Choices(case, threat)
        moving = case.x
        for _ in range(self.steps):
            _, gradient = case.ascent(moving, LOSSES[self.loss])
            events.ascend(unit_mean(gradient), self.step, self.capacity, self.budget)
            moving = events.frames()
            case.see(moving)
        return case.best


class _Choices:
    """The logits of all events of a batch."""

    def __init__(self, case: Case, threat: Retiming) -> None:
        self.case, self.threat = case, threat
        self.places = [event_places(frames) for frames in case.x]
        counts = [len(time) for time, _ in self.places]
        device, self.reach = case.x.device, int(threat.epsilon)
        self.parts = np.cumsum([0, *counts])
        owner = np.repeat(np.arange(len(counts)), counts)
        time = np.concatenate([time for time, _ in self.places])
        line = np.concatenate([line for _, line in self.places])
        self.shift = torch.arange(-self.reach, self.reach + 1, device=device)
        frames = case.x.flatten(2)
        _, self.steps, self.lines = frames.shape
        self.owner = torch.from_numpy(owner).to(device)
        to = torch.from_numpy(time).to(device)[:, None] + self.shift
        self.inside = (to >= 0) & (to < self.steps)
        row = self.owner[:, None] * self.steps + to.clamp(0, self.steps - 1)
        self.bin = row * self.lines + torch.from_numpy(line).to(device)[:, None]
        start = [
            rng.uniform(-1, 1, (count, threat.width))
            for rng, count in zip(case.draws.generators, counts, strict=True)
        ]
        self.logits = torch.from_numpy(np.concatenate(start)).to(case.x)

    def ascend(self, gradient: Tensor, step: float, capacity: float, budget: float) -> None:
        """One signed step on the expected gain less the penalties."""
        if not len(self.logits):
            return
        logits = self.logits.requires_grad_()
        chance = torch.where(self.inside, logits, -torch.inf).softmax(1)
        expected = torch.zeros(gradient.numel(), dtype=chance.dtype, device=chance.device)
        expected = expected.index_add(0, self.bin.view(-1), chance.view(-1))
        gain = (gradient.reshape(-1) * expected).sum()
        over = (expected - self.threat.bounds[1]).clamp(min=0)
        gain = gain - capacity * (over**2).sum()
        size = self.shift.abs().to(chance)
        for cost, limit in ((size, self.threat.total), ((size > 0).to(size), self.threat.moved)):
            if limit is not None:
                spent = torch.zeros(len(self.case), dtype=chance.dtype, device=chance.device)
                spent = spent.index_add(0, self.owner, (chance * cost).sum(1))
                gain = gain - budget * (spent / max(limit, 1) - 1).clamp(min=0).sum()
        (slope,) = torch.autograd.grad(gain, logits)
        self.logits = (logits.detach() + step * slope.sign()).clamp(-LIMIT, LIMIT)

    def frames(self) -> Tensor:
        """The lawful frames of these logits."""
        wishes = torch.where(self.inside, self.logits, -torch.inf).cpu().numpy()
        moved = [
            self.threat.retime(frames, wishes[self.parts[i] : self.parts[i + 1]])
            for i, frames in enumerate(self.case.x)
        ]
        return torch.stack(moved)
