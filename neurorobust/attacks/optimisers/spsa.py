"""SPSA: PGD whose gradient is measured by pairs of queries in random directions.

Reference: Uesato, O'Donoghue, van den Oord, Kohli, Adversarial risk and the dangers of evaluating
against weak attacks, ICML 2018.
"""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.base import Attack
from neurorobust.attacks.case import Case
from neurorobust.attacks.knowledge import Knowledge
from neurorobust.attacks.losses import LOSSES
from neurorobust.attacks.steps import settle_step, steepest, step_size
from neurorobust.methods import option


@dataclass(frozen=True)
class Spsa(Attack):
    """``g = mean (L(x + d v) - L(x - d v)) sign(v)`` over random corners v, in a PGD step.

    Every query is a legal sample: within budget and bounds, on the sensor's grid. On a grid ``d v``
    is at least one step of every value, since less than half a step would ask the same twice.

    Attributes:
        steps: Number of steps, at least 1.
        pairs: Pairs of queries per step, at least 1.
        relative_step: Step size in units of epsilon, a quarter by default.
        relative_delta: ``d`` in units of epsilon, on a grid at least a step of every value.
        loss: ``margin``, ``ce`` or ``dlr``.
        step: Step size in the unit of the threat instead of the relative one.
    """

    name: ClassVar[str] = "spsa"
    title: ClassVar[str] = "SPSA"
    cited: ClassVar[tuple[str, ...]] = ("uesato2018adversarial",)
    revision: ClassVar[int] = 2
    family: ClassVar[str] = "scores"
    knowledge: ClassVar[Knowledge] = Knowledge.QUERY_ONLY

    steps: int = option(10, low=1)
    pairs: int = option(32, low=1)
    _: KW_ONLY
    relative_step: float | None = option(None, above=0, sparse=True)
    relative_delta: float = option(0.5, above=0)
    loss: str = option("margin", among=LOSSES)
    step: float | None = option(None, above=0, sparse=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        settle_step(self, 0.25)

    def propose(self, case: Case) -> Tensor:
        """The last iterate that fools the target once legal, else the last one."""
        threat, moving = case.threat, case.x
        for _ in range(self.steps):
            step = step_size(self, threat) * steepest(self.slope(case, moving), threat)
            moving = threat.project(moving + step, case.x)
            case.see(moving)
        return case.best

    def slope(self, case: Case, at: Tensor) -> Tensor:
        """The measured gradient, up to its scale."""
        every = torch.arange(len(case), device=at.device)
        total = torch.zeros_like(at)
        for _ in range(self.pairs):
            away = steepest(case.draws.signs(at), case.threat)
            away = away * (self.relative_delta * case.threat.epsilon)
            away = away.sign() * away.abs().clamp(min=case.threat.step)
            ahead, behind = (case.threat.legalise(at + s * away, case.x) for s in (1, -1))
            rise = self._value(case, ahead, every) - self._value(case, behind, every)
            total += rise.view(-1, *[1] * (at.ndim - 1)) * (ahead - behind).sign()
        return total / self.pairs

    def _value(self, case: Case, x: Tensor, rows: Tensor) -> Tensor:
        scores = case.probe(x, rows) * case.target.scale
        return LOSSES[self.loss](scores, case.y, case.wanted).to(x.dtype)
