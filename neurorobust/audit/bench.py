"""The bench on which checks run attacks: every run is made once, and remembered by what broke."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from neurorobust.attacks import L2, Attack, Draws, Fgsm, Linf, RFgsm, Target, Threat
from neurorobust.attacks.case import Case
from neurorobust.attacks.losses import LOSSES, Loss
from neurorobust.audit.evaluation import Evaluation, MakeAttack
from neurorobust.audit.foreign import Differentiable, ForeignTarget, Given
from neurorobust.engine.estimators import Estimator
from neurorobust.ir import Array

if TYPE_CHECKING:
    from neurorobust.audit.card import Rung

SINGLE_STEP = (Fgsm, RFgsm)
RUNGS = 6
"""Radii of the ladder, the last one is the whole input range."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One attack on the samples that are right when clean.

    Attributes:
        fooled: Whether the returned sample, once legal, is decided wrongly, bool (B,).
        ever: Whether any legal iterate was, bool (B,).
        broken: What counts: any iterate, but of a model that draws its input the returned sample
            only, since one of many draws errs sooner or later; bool (B,).
        adversarial: The returned samples, legal, (B, ...).
        losses: Loss at every gradient of the run, (steps, B), and empty without gradients.
    """

    fooled: Array
    ever: Array
    broken: Array
    adversarial: Tensor
    losses: Array


class WatchedCase(Case):
    """A case that keeps the loss at every gradient of the whole batch."""

    losses: list[Array]

    def ascent(self, at: Tensor, loss: Loss = LOSSES["ce"]) -> tuple[Tensor, Tensor]:
        """Loss (B,) and its gradient (B, ...) towards the attacker's end."""
        value, gradient = super().ascent(at, loss)
        self.losses.append(value.detach().cpu().numpy())
        return value, gradient


class Bench:
    """An evaluation, ready to be probed.

    Args:
        evaluation: What is audited.
        sources: Targets by the name of their gradient; all make the same decisions.
        panel: Targets of the estimators to compare with.
        twin: The same for an independently trained twin.
        name: Of the model.
        content_hash: Of the model.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        sources: Mapping[str, Target],
        *,
        panel: Mapping[str, Target],
        twin: Mapping[str, Target],
        name: str,
        content_hash: str,
    ) -> None:
        self.evaluation, self.name, self.content_hash = evaluation, name, content_hash
        self.sources, self.panel, self.twin = dict(sources), dict(panel), dict(twin)
        self.usable = dict(sources)
        """Sources whose gradients exist and are finite; those of the others are not attacked."""
        self.threat = evaluation.threat
        self.target = next(iter(self.sources.values()))
        every = torch.as_tensor(evaluation.x).to(torch.float64)
        self.every = self.threat.legalise(every, every)
        self.labels = torch.as_tensor(evaluation.y).to(torch.int64)
        self.sample = evaluation.sample
        self.decided = self.target.decide(self.every, Draws(evaluation.seed, self.sample))
        self.right = torch.nonzero(self.decided == self.labels)[:, 0]
        self.x, self.y = self.every[self.right], self.labels[self.right]
        self.index = self.sample[self.right.numpy()]
        self.broken: dict[str, Array] = {}
        self.rungs: tuple[Rung, ...] = ()
        self._runs: dict[tuple[Any, ...], Outcome] = {}

    def __len__(self) -> int:
        return len(self.x)

    @property
    def ball(self) -> bool:
        """Whether the threat is a ball, in which signed and normed steps are defined."""
        return isinstance(self.threat, Linf | L2)

    @property
    def opaque(self) -> bool:
        """Whether the scores of which the gradient is are not shown."""
        target = self.target
        return isinstance(target, ForeignTarget) and not isinstance(target.subject, Differentiable)

    @property
    def single_step(self) -> bool:
        """Whether the attack under audit takes one step only."""
        return isinstance(self.prototype, SINGLE_STEP)

    @property
    def prototype(self) -> Attack:
        """The attack under audit, bound to the first gradient."""
        return self.evaluation.attack(estimator_of(self.target))

    @property
    def looks(self) -> int:
        """Iterates of which any counts, at most ten."""
        steps = self.prototype.parameters().get("steps", 1)
        any_counts = not self.evaluation.reported and self.target.votes == 1
        return min(10, steps) if any_counts and isinstance(steps, int) else 1

    @property
    def reach(self) -> float:
        """Smallest radius that holds the whole input range."""
        low, high = self.threat.bounds
        return (high - low) * (
            float(np.prod(self.x.shape[1:])) ** 0.5 if isinstance(self.threat, L2) else 1.0
        )

    @property
    def radii(self) -> tuple[float, ...]:
        """At least six radii from a quarter of epsilon to the whole range, on the grid."""
        epsilon, top = self.threat.epsilon, self.reach
        least = max(self.threat.step, epsilon / 4)
        below = [e for e in (least, epsilon / 2) if e < epsilon]
        count = max(RUNGS - len(below) - 1, 2)
        above = epsilon * (top / epsilon) ** (np.arange(1, count + 1) / count)
        above[-1:] = top  # exactly, whatever the power rounds to
        return tuple(dict.fromkeys(float(e) for e in [*below, epsilon, *above] if e <= top))

    def at(self, epsilon: float) -> Threat:
        """The threat with another radius."""
        return replace(self.threat, epsilon=min(epsilon, self.reach))

    def draws(self, seed: int = 0) -> Draws:
        """Fresh random numbers of the samples."""
        return Draws(self.evaluation.seed + seed, self.index)

    def run(
        self,
        make: MakeAttack,
        target: Target,
        *,
        threat: Threat | None = None,
        rows: Tensor | None = None,
        seed: int = 0,
    ) -> Outcome:
        """Run an attack as its own call would, without its refusals.

        Args:
            make: The attack.
            target: Model and gradient.
            threat: Another threat than that under audit.
            rows: Some of the samples only.
            seed: Added to that of the evaluation.
        """
        take = torch.arange(len(self)) if rows is None else rows
        draws = Draws(self.evaluation.seed + seed, self.index[take.numpy()])
        case = WatchedCase(target, self.x[take], self.y[take], threat or self.threat, draws=draws)
        case.losses = []
        raw = make(estimator_of(target)).propose(case)
        legal = case.threat.legalise(raw, case.x)
        fooled = (target.decide(legal, draws) != case.y).numpy()
        ever = case.log.found.numpy() | fooled
        losses = [row for row in case.losses if len(row) == len(case)]
        broken = fooled if target.votes > 1 else ever
        return Outcome(fooled, ever, broken, legal, np.array(losses))

    def evaluated(self, source: str, epsilon: float | None = None) -> Outcome:
        """The attack under audit with one gradient at one radius."""
        radius = self.threat.epsilon if epsilon is None else epsilon
        key = (source, radius)
        if key not in self._runs:
            self._runs[key] = self.run(
                self.evaluation.attack, self.usable[source], threat=self.at(radius)
            )
            if radius == self.threat.epsilon:
                self.note(f"{self.prototype.name} {source}", self._runs[key].broken)
        return self._runs[key]

    def success(self, epsilon: float | None = None) -> Array:
        """Samples broken by the evaluation: as reported, else by the attack with any gradient."""
        radius = self.threat.epsilon if epsilon is None else epsilon
        reported = [r for r in self.evaluation.reported if r.epsilon == radius]
        if reported:
            given = torch.as_tensor(reported[0].adversarial).to(torch.float64)[self.right]
            broken = (self.target.decide(given, self.draws()) != self.y).numpy()
            if radius == self.threat.epsilon:
                self.note("reported", broken)
            return np.asarray(broken)
        return self.union(lambda source: self.evaluated(source, radius).fooled)

    def union(self, broken: Callable[[str], Array]) -> Array:
        """Samples broken with any usable gradient."""
        found = np.zeros(len(self), bool)
        for source in self.usable:
            found |= broken(source)
        return found

    def longer(self, factor: int, rows: Tensor) -> Array | None:
        """Samples of ``rows`` broken with more steps; None for an attack without steps."""
        if not isinstance(self.prototype.parameters().get("steps"), int):
            return None
        steps = factor * int(self.prototype.parameters()["steps"])
        return self._any(partial(self.remade, steps=steps), rows)

    def stepping(self, relative_step: float, rows: Tensor) -> Array | None:
        """The same with another step size; None for an attack that has none or this one."""
        if self.prototype.parameters().get("relative_step", relative_step) == relative_step:
            return None
        return self._any(partial(self.remade, relative_step=relative_step), rows)

    def remade(self, estimator: Estimator, **changes: Any) -> Attack:
        """The attack under audit with other parameters."""
        given = self.evaluation.attack(estimator)
        known = {**given.parameters(), **changes}
        return type(given)(estimator, **known)  # type: ignore[call-arg]

    def note(self, name: str, broken: Array) -> None:
        """Remember what was broken at the radius under audit, for the worst case."""
        before = self.broken.get(name)
        self.broken[name] = broken.copy() if before is None else before | broken

    def _any(self, make: MakeAttack, rows: Tensor) -> Array:
        found = np.zeros(len(rows), bool)
        for target in self.usable.values():
            found |= self.run(make, target, rows=rows).broken
        return found


def estimator_of(target: Target) -> Estimator:
    """Its estimator; a stand-in for a gradient made elsewhere."""
    if isinstance(target, ForeignTarget) or target.estimator is None:
        return Given()
    return target.estimator
