"""What becomes of the surrogate's attack on every other backend and rung.

An attack success rate alone hides churn: a chip can lose a tenth of the successes and gain as many
others at an unchanged total. So the successes of the surrogate are followed sample by sample.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import polars as pl

from neurorobust.errors import InvalidInput
from neurorobust.metrics.accuracy import accuracies_of
from neurorobust.metrics.intervals import Proportion
from neurorobust.metrics.samples import CLEAN, Column, SetKey, block, columns_of, sets_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Churn:
    """The surrogate's successes on another backend; ``kept + lost`` are the surrogate's successes.

    Attributes:
        kept: Fooled on both, of those that fool the surrogate.
        lost: Not fooled here, of those that fool the surrogate.
        gained: Fooled here, of those that do *not* fool the surrogate.
        p_value: McNemar's exact test of equal success rates, 0..1.
    """

    kept: Proportion
    lost: Proportion
    gained: Proportion
    p_value: float

    @property
    def retention(self) -> float:
        """Fooled here / fooled on the surrogate: net, so above 1 if more is gained than lost."""
        fooled = self.kept.count + self.gained.count
        return fooled / self.kept.n if self.kept.n else math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One attack set on one column.

    Attributes:
        key: The attack set.
        column: Where it was replayed.
        clean: Clean accuracy, over the samples that all compared columns have.
        accuracy: Accuracy under attack, over the same samples.
        success: Conditional success rate, over the samples that *every* compared column decides
            rightly when clean.
        churn: Against the surrogate, or None where the surrogate has not run this set.
    """

    key: SetKey
    column: Column
    clean: Proportion
    accuracy: Proportion
    success: Proportion
    churn: Churn | None


def transfer(
    outcomes: pl.DataFrame, surrogate: Column, columns: Iterable[Column] | None = None
) -> tuple[Transfer, ...]:
    """Follow every attack set over all compared columns.

    Args:
        outcomes: One row per sample × set × backend × rung.
        surrogate: The column on which the attacks were crafted.
        columns: What is compared; all by default. A column without the set, or without clean
            decisions, is not compared for that set.

    Returns:
        By set, then by column.
    """
    asked = columns_of(outcomes) if columns is None else tuple(columns)
    clean_columns = set(columns_of(outcomes, CLEAN))
    rows: list[Transfer] = []
    for key in sets_of(outcomes):
        here = set(columns_of(outcomes, key.set)) & clean_columns
        compared = tuple(column for column in asked if column in here)
        if key.set != CLEAN and compared:
            rows.extend(_follow(outcomes, key, compared, surrogate))
    return tuple(rows)


def churn(surrogate: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> Churn:
    """Sort the surrogate's successes into kept and lost, and find the gained ones.

    Args:
        surrogate: Where the surrogate is fooled, over the common-correct samples, shape (n,).
        other: Where the other backend is fooled, over the same samples, shape (n,).
    """
    successes = int(surrogate.sum())
    failures = len(surrogate) - successes
    lost, gained = int((surrogate & ~other).sum()), int((~surrogate & other).sum())
    return Churn(
        kept=Proportion(successes - lost, successes),
        lost=Proportion(lost, successes),
        gained=Proportion(gained, failures),
        p_value=mcnemar_exact(lost, gained),
    )


def mcnemar_exact(lost: int, gained: int) -> float:
    """Two-sided exact p-value that discordant pairs fall either way alike.

    With ``m = lost + gained`` and ``k = min(lost, gained)``: ``min(1, 2 Σ_{i ≤ k} C(m, i) / 2^m)``.

    Raises:
        InvalidInput: if a count is negative.

    Reference:
        McNemar 1947, Psychometrika 12:153; the binomial form, not the χ² approximation.
    """
    if min(lost, gained) < 0:
        raise InvalidInput(f"McNemar: counts are {lost} and {gained}; they must be at least 0")
    pairs = lost + gained
    term = tail = 1
    for i in range(1, min(lost, gained) + 1):
        term = term * (pairs - i + 1) // i
        tail += term
    return min(1.0, float(Fraction(2 * tail, 2**pairs)))


def _follow(
    outcomes: pl.DataFrame, key: SetKey, compared: tuple[Column, ...], surrogate: Column
) -> Iterable[Transfer]:
    attacked = block(outcomes, key.set, compared)
    clean = block(outcomes, CLEAN, compared).restrict(attacked.samples)
    attacked = attacked.restrict(clean.samples)
    common_correct = clean.correct.all(axis=0)
    fooled = dict(zip(compared, ~attacked.correct[:, common_correct], strict=True))
    before, under = accuracies_of(clean), accuracies_of(attacked)
    for column in compared:
        yield Transfer(
            key=key,
            column=column,
            clean=before[column],
            accuracy=under[column],
            success=Proportion(int(fooled[column].sum()), int(common_correct.sum())),
            churn=churn(fooled[surrogate], fooled[column]) if surrogate in fooled else None,
        )
