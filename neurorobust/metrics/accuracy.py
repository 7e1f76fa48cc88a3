"""Accuracy on common samples."""

from collections.abc import Iterable

import polars as pl

from neurorobust.metrics.intervals import Proportion
from neurorobust.metrics.samples import CLEAN, Block, Column, block


def accuracies(
    outcomes: pl.DataFrame, set_: str = CLEAN, columns: Iterable[Column] | None = None
) -> dict[Column, Proportion]:
    """Share of decisions that are right, over the samples that all compared columns have.

    Args:
        outcomes: One row per sample × set × backend × rung.
        set_: ``clean``, or an attack set for the accuracy under attack.
        columns: What is compared; all by default.

    Raises:
        InvalidInput: if no compared column has the set; choose another set.
    """
    return accuracies_of(block(outcomes, set_, columns))


def accuracies_of(compared: Block) -> dict[Column, Proportion]:
    """The same for samples that are already aligned."""
    n = len(compared.samples)
    return {
        column: Proportion(int(right.sum()), n)
        for column, right in zip(compared.columns, compared.correct, strict=True)
    }
