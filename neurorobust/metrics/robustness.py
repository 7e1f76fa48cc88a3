"""Accuracy over the strength of the attack."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from neurorobust.metrics.accuracy import accuracies
from neurorobust.metrics.intervals import Proportion
from neurorobust.metrics.samples import CLEAN, Block, Column, block, columns_of, sets_of


@dataclass(frozen=True, slots=True)
class Point:
    """Accuracy at one radius.

    Attributes:
        epsilon: Radius in units of the input range; 0 is clean.
        accuracy: Over the samples common to all compared columns.
    """

    epsilon: float
    accuracy: Proportion


@dataclass(frozen=True, slots=True)
class Curve:
    """Accuracy over epsilon for one attack and gradient.

    Attributes:
        attack: ``noise`` (the floor of all), ``fgsm``, ``pgd``; ``any`` for the worst case.
        gradient: ``none``, ``stbp``, ``rga``; ``any`` for the worst case.
        points: By epsilon, from the clean accuracy on.
    """

    attack: str
    gradient: str
    points: tuple[Point, ...]


def curves(
    outcomes: pl.DataFrame, column: Column, columns: Iterable[Column] | None = None
) -> tuple[Curve, ...]:
    """Curves of one column; of several sets at one radius the most harmful one counts.

    Args:
        outcomes: One row per sample × set × backend × rung.
        column: Whose accuracy.
        columns: All that is compared, which decides the samples; all by default.
    """
    compared = columns_of(outcomes) if columns is None else tuple(columns)
    found: dict[tuple[str, str], dict[float, Proportion]] = defaultdict(dict)
    start: tuple[Point, ...] = ()
    for key in sets_of(outcomes):
        if column not in columns_of(outcomes, key.set):
            continue
        reached = accuracies(outcomes, key.set, compared)[column]
        if key.set == CLEAN:
            start = (Point(0.0, reached),)
            continue
        at = found[key.attack, key.gradient]
        # A defence is as good as against the best attack known, so the worst case is drawn.
        at[key.epsilon] = min(at.get(key.epsilon, reached), reached, key=lambda p: p.rate)
    return tuple(
        Curve(attack, gradient, start + tuple(Point(e, p) for e, p in sorted(at.items())))
        for (attack, gradient), at in found.items()
    )


def worst_case(
    outcomes: pl.DataFrame, column: Column, columns: Iterable[Column] | None = None
) -> Curve:
    """Accuracy against an attacker who has every attack: right when clean and under each of them.

    No gradient estimator is best on every network, so a curve of one attack alone flatters it.

    Args:
        outcomes: One row per sample × set × backend × rung.
        column: Whose accuracy.
        columns: All that is compared, which decides the samples; all by default.
    """
    compared = columns_of(outcomes) if columns is None else tuple(columns)
    by_radius: dict[float, list[Block]] = defaultdict(list)
    for key in sets_of(outcomes):
        if column in columns_of(outcomes, key.set) and key.attack != "noise":
            by_radius[key.epsilon].append(block(outcomes, key.set, compared))
    clean = by_radius.pop(0.0, [])
    points = [Point(0.0, _right_in_all(clean, column))] if clean else []
    points += [
        Point(radius, _right_in_all(clean + blocks, column))
        for radius, blocks in sorted(by_radius.items())
    ]
    return Curve("any", "any", tuple(points))


def _right_in_all(blocks: list[Block], column: Column) -> Proportion:
    samples = blocks[0].samples
    for other in blocks[1:]:
        samples = np.intersect1d(samples, other.samples)
    right = np.ones(len(samples), dtype=bool)
    for part in blocks:
        here = part.restrict(samples)
        right &= here.correct[here.columns.index(column)]
    return Proportion(int(right.sum()), len(samples))
