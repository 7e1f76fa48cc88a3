"""A batch under attack: what may be asked of the target, and a record of all that was asked."""

from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from neurorobust.attacks.draws import Draws
from neurorobust.attacks.losses import LOSSES, Loss
from neurorobust.attacks.target import Target
from neurorobust.attacks.threats import Threat
from neurorobust.attacks.threats.base import per_sample
from neurorobust.ir import Array


@dataclass(slots=True, eq=False)
class Log:
    """What happened to each of B samples.

    Attributes:
        queries: Forward passes, shape (B,).
        gradients: Backward passes, shape (B,).
        found: Whether any legal iterate has fooled the target, shape (B,).
        best: The iterate to be returned, (B, ...): the last that fooled, or before that the last
            looked at. Where inputs are drawn, a lucky vote is no success: the one of largest lead.
        lead: Largest mean margin of an iterate, shape (B,); minus infinity before the first look.
        looks: Rows that were looked at and whether they fooled, in order.
        followed: Rows that the estimator has followed so far, if it keeps averages.
    """

    queries: Tensor
    gradients: Tensor
    found: Tensor
    best: Tensor
    lead: Tensor
    looks: list[tuple[Array, Array]] = field(default_factory=list)
    followed: Tensor | None = None

    @classmethod
    def of(cls, x: Tensor) -> Self:
        """Nothing happened yet to samples (B, ...)."""
        zero = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        lead = torch.full((len(x),), -torch.inf, dtype=x.dtype, device=x.device)
        return cls(zero, zero.clone(), zero.bool(), x.clone(), lead)

    def outcomes(self) -> tuple[Array, Array]:
        """Whether iterate k fooled, bool (B, K), and how many iterates each sample had, (B,)."""
        count = np.zeros(len(self.found), np.int64)
        for rows, _ in self.looks:
            count[rows] += 1
        fooled = np.zeros((len(count), int(count.max(initial=0))), bool)
        at = np.zeros(len(count), np.int64)
        for rows, hit in self.looks:
            fooled[rows, at[rows]] = hit
            at[rows] += 1
        return fooled, count


@dataclass(eq=False)
class Case:
    """Samples under attack.

    Attributes:
        target: What is attacked.
        x: Clean samples, (B, ...), on the grid.
        y: Labels, (B,).
        threat: What the attacker may do.
        draws: Random numbers of these samples.
        wanted: Classes to reach, (B,); None for any other than the label.
        strict: Whether only the wanted class is a success, or any but the label while aiming at it.
        log: What happened to the samples of the whole case.
        rows: Which of those these are, (B,).
    """

    target: Target
    x: Tensor
    y: Tensor
    threat: Threat
    _: KW_ONLY
    draws: Draws
    wanted: Tensor | None = None
    strict: bool = True
    log: Log = field(init=False)
    rows: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.log = Log.of(self.x)
        self.rows = torch.arange(len(self.x), device=self.x.device)

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: Tensor) -> "Case":
        """Some of the samples (their positions here), recorded in the same log."""
        part = self._with(
            x=self.x[rows],
            y=self.y[rows],
            draws=self.draws.take(rows),
            wanted=None if self.wanted is None else self.wanted[rows],
        )
        part.log, part.rows = self.log, self.rows[rows]
        return part

    def aiming(self, wanted: Tensor, *, strict: bool) -> "Case":
        """The same samples and log with other wanted classes."""
        other = self._with(wanted=wanted, strict=strict)
        other.log, other.rows = self.log, self.rows
        return other

    def on(self, target: Target) -> "Case":
        """The same samples on another target, with a log of its own."""
        return self._with(target=target)

    def _with(self, **changes: Any) -> "Case":
        """A plain case, whatever the class of this one."""
        return Case(**{f.name: getattr(self, f.name) for f in fields(Case) if f.init} | changes)

    @property
    def found(self) -> Tensor:
        """Which samples have been fooled by a legal iterate, (B,)."""
        return self.log.found[self.rows]

    @property
    def best(self) -> Tensor:
        """The iterate to be returned; see ``Log``. Shape (B, ...)."""
        return self.log.best[self.rows]

    def best_or(self, fallback: Tensor) -> Tensor:
        """The iterate that last fooled the target, else the given one."""
        return torch.where(per_sample(self.found, self.x), self.best, fallback)

    def reached(self, decided: Tensor) -> Tensor:
        """Whether decisions are what the attacker wants, (B,)."""
        if self.wanted is None or not self.strict:
            return decided != self.y
        return decided == self.wanted

    def see(self, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """Look at iterates once legal.

        Returns:
            Scores (B, classes), and whether they fooled, (B,).
        """
        scores, decided = self.target.look(self.threat.legalise(candidates, self.x), self.draws)
        fooled, log = self.reached(decided), self.log
        log.queries[self.rows] += self.target.votes
        keep = per_sample(self._better(scores, fooled), candidates)
        log.best[self.rows] = torch.where(keep, candidates, log.best[self.rows])
        log.found[self.rows] |= fooled
        log.looks.append((self.rows.cpu().numpy(), fooled.cpu().numpy()))
        return scores, fooled

    def _better(self, scores: Tensor, fooled: Tensor) -> Tensor:
        """Whether iterates are to be returned rather than those before, (B,)."""
        if not self.target.stochastic:
            return fooled | ~self.log.found[self.rows]
        lead = LOSSES["margin"](scores, self.y, self.wanted if self.strict else None)
        before = self.log.lead[self.rows]
        self.log.lead[self.rows] = torch.maximum(lead.to(before), before)
        return lead.to(before) > before

    def probe(self, x: Tensor, rows: Tensor) -> Tensor:
        """Scores of any inputs, not recorded as iterates; ``rows`` says whose they are, (n,)."""
        draws = self.draws.take(rows) if self.target.stochastic else None
        ones = torch.full_like(rows, self.target.votes)
        self.log.queries.index_add_(0, self.rows[rows], ones)
        return self.target.scores(x, draws)

    def begin(self) -> None:
        """Let the estimator forget: a run starts anew."""
        self.log.followed = None

    def ascent(self, at: Tensor, loss: Loss = LOSSES["ce"]) -> tuple[Tensor, Tensor]:
        """Loss (B,) and its gradient (B, ...) towards the attacker's end."""
        self._align()
        self.log.queries[self.rows] += self.target.eot
        self.log.gradients[self.rows] += self.target.eot
        return self.target.ascent(at, self.y, self.wanted, loss=loss, draws=self.draws)

    def jacobian(self, at: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B, classes) and their gradients (B, classes, ...)."""
        self._align()
        self.log.queries[self.rows] += 1
        self.log.gradients[self.rows] += self.target.classes
        return self.target.jacobian(at)

    def _align(self) -> None:
        """Keep an estimator's averages with their samples as these become fewer."""
        estimator, before = self.target.estimator, self.log.followed
        if estimator is None or (before is not None and torch.equal(before, self.rows)):
            return
        if before is not None and torch.isin(self.rows, before).all():
            estimator.select(torch.searchsorted(before, self.rows))
        else:
            estimator.reset()
        self.log.followed = self.rows
