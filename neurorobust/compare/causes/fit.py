"""Causes with a number: the number at which the law fits best."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from neurorobust.compare.causes.base import Hypothesis
from neurorobust.compare.law import Misfit

_GOLDEN = (np.sqrt(5) - 1) / 2
_ROUNDS = 46


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Family:
    """A cause with one free number.

    Attributes:
        make: The hypothesis of a number; None where it is no law.
        grid: Numbers to start from, ascending.
    """

    make: Callable[[float], Hypothesis | None]
    grid: Sequence[float]


def fitted(
    family: Family, judge: Callable[[Hypothesis], Misfit]
) -> tuple[Hypothesis, Misfit] | None:
    """The best member: the best of the grid, then golden section about it, then the plainest.

    Args:
        family: What is tried.
        judge: How far a hypothesis is from what was recorded.
    """
    tried: dict[float, tuple[Misfit, Hypothesis]] = {}

    def at(value: float) -> float:
        if value not in tried:
            hypothesis = family.make(value)
            if hypothesis is None:
                return float("inf")
            tried[value] = judge(hypothesis), hypothesis
        return tried[value][0].size

    sizes = [at(value) for value in family.grid]
    best = int(np.argmin(sizes))
    if not np.isfinite(sizes[best]):
        return None
    low, high = family.grid[max(best - 1, 0)], family.grid[min(best + 1, len(sizes) - 1)]
    x, y = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    for _ in range(_ROUNDS):
        if at(x) <= at(y):
            high, y = y, x
            x = high - _GOLDEN * (high - low)
        else:
            low, x = x, y
            y = low + _GOLDEN * (high - low)
    value = min(tried, key=lambda v: (tried[v][0].bits, tried[v][0].gaps, tried[v][0].size))
    for plain in _plain(value):
        at(plain)
        if plain in tried and tried[plain][0] <= _allowed(tried[value][0]):
            value = plain
            break
    misfit, hypothesis = tried[value]
    return hypothesis, misfit


def _plain(value: float) -> Iterable[float]:
    """The number with few digits, fewest first."""
    return dict.fromkeys(float(f"{value:.{digits}g}") for digits in range(1, 7))


def _allowed(best: Misfit) -> Misfit:
    return Misfit(best.bits, best.gaps, best.size * (1 + 1e-6) + 1e-6)
