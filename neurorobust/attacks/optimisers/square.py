"""Square: random search with squares of the ball's corners; scores only, no gradient.

Reference: Andriushchenko, Croce, Flammarion, Hein, Square attack: a query-efficient black-box
adversarial attack via random search, ECCV 2020.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neurorobust.attacks.base import Attack
from neurorobust.attacks.case import Case
from neurorobust.attacks.knowledge import Knowledge
from neurorobust.attacks.losses import LOSSES
from neurorobust.attacks.threats import Linf, Threat
from neurorobust.attacks.threats.base import per_sample
from neurorobust.methods import option

_HALVED_AT = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Of 10,000 queries: after these the share of changed pixels is halved."""


@dataclass(frozen=True)
class Square(Attack):
    """A square of the sample moves to ``x ± epsilon`` and stays unless the margin loss falls.

    Scores of few steps are quantised: most squares change no score, and only a search that drifts
    over such plateaus leaves them.

    The first query shows vertical stripes of ``± epsilon``. The share of changed pixels starts at
    ``p_init`` and is halved nine times, at fixed parts of the queries. Samples stop once found,
    unless their input is drawn.

    Attributes:
        queries: Per sample, at least 1.
        p_init: Share of the pixels in the first square, above 0, at most 1.
        loss: ``margin``, ``ce`` or ``dlr``.
    """

    name: ClassVar[str] = "square"
    title: ClassVar[str] = "Square"
    cited: ClassVar[tuple[str, ...]] = ("andriushchenko2020square",)
    revision: ClassVar[int] = 2
    threats: ClassVar[tuple[type[Threat], ...]] = (Linf,)
    family: ClassVar[str] = "scores"
    knowledge: ClassVar[Knowledge] = Knowledge.QUERY_ONLY

    queries: int = option(5000, low=1)
    p_init: float = option(0.8, above=0, high=1)
    loss: str = option("margin", among=LOSSES)

    def share(self, query: int) -> float:
        """Share of the pixels in the square of a query, counted from 0."""
        at = int(query / self.queries * 10000)
        return self.p_init * 0.5 ** sum(at > mark for mark in _HALVED_AT)

    def propose(self, case: Case) -> Tensor:
        """The sample that fooled the target, else that of the largest loss."""
        epsilon, x = case.threat.epsilon, case.x
        pixels = x.view(len(x), *image_shape(x))
        stripes = case.draws.signs(pixels[:, :, :1]).expand_as(pixels)
        best = case.threat.project((pixels + epsilon * stripes).view_as(x), x)
        value, alive = torch.empty(len(x), dtype=x.dtype, device=x.device), case
        rows = torch.arange(len(x), device=x.device)
        candidate = best
        for query in range(self.queries):
            scores, fooled = alive.see(candidate)
            new = LOSSES[self.loss](scores.to(x.dtype), alive.y, alive.wanted)
            if case.target.stochastic:  # a vote may err: go on to a larger margin
                fooled = torch.zeros_like(fooled)
            better = fooled if query else torch.ones_like(fooled)
            better = better | (new >= value[rows])
            value[rows] = torch.where(better, new, value[rows])
            best[rows] = torch.where(per_sample(better, candidate), candidate, best[rows])
            if fooled.any():
                left = torch.nonzero(~fooled)[:, 0]
                rows, alive = rows[left], alive.take(left)
            if not len(rows):
                break
            candidate = self._move(alive, best[rows], self.share(query))
        return best

    def _move(self, case: Case, best: Tensor, share: float) -> Tensor:
        """The best point with one square moved."""
        channels, height, width = image_shape(best)
        area = share * height * width
        flat = height == 1
        side = min(
            max(round(area if flat else area**0.5), 1), width if flat else min(height, width)
        )
        rise = 1 if flat else side
        top = case.draws.integers(height - rise + 1).to(best.device)
        left = case.draws.integers(width - side + 1).to(best.device)
        y, x = torch.arange(height, device=best.device), torch.arange(width, device=best.device)
        inside = ((y >= top[:, None]) & (y < top[:, None] + rise))[:, :, None]
        inside = inside & ((x >= left[:, None]) & (x < left[:, None] + side))[:, None, :]
        colour = case.draws.signs(best.new_empty(len(best), channels, 1, 1))
        moved = best.view(len(best), channels, height, width)
        moved = moved + 2 * case.threat.epsilon * colour * inside[:, None]
        return case.threat.project(moved.view_as(best), case.x)


def image_shape(x: Tensor) -> tuple[int, int, int]:
    """Channels, height and width of samples (B, ...); vectors are images of one row."""
    shape = x.shape[1:]
    if len(shape) == 1:
        return 1, 1, shape[0]
    lead = 1
    for size in shape[:-2]:
        lead *= size
    return lead, shape[-2], shape[-1]
