"""Do two backends decide the same, sample by sample."""

from collections.abc import Iterable

import polars as pl

from neurorobust.metrics.intervals import Proportion
from neurorobust.metrics.samples import CLEAN, Column, block


def decision_agreement(
    outcomes: pl.DataFrame, set_: str = CLEAN, columns: Iterable[Column] | None = None
) -> dict[tuple[Column, Column], Proportion]:
    """Share of equal decisions for every ordered pair of columns, right or wrong alike.

    Raises:
        InvalidInput: if no compared column has the set; choose another set.
    """
    compared = block(outcomes, set_, columns)
    equal = (compared.decisions[:, None] == compared.decisions[None]).sum(axis=2)
    n = len(compared.samples)
    return {
        (a, b): Proportion(int(equal[i, j]), n)
        for i, a in enumerate(compared.columns)
        for j, b in enumerate(compared.columns)
    }
