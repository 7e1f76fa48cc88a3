"""Do two backends decide the same, sample by sample."""

from collections.abc import Iterable

import polars as pl

from neurorobust.metrics.intervals import Proportion
from neurorobust.metrics.samples import CLEAN, Column, block, columns_of, sets_of


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


def identical_columns(
    outcomes: pl.DataFrame, columns: Iterable[Column] | None = None
) -> tuple[tuple[Column, ...], ...]:
    """Group the columns that have the same sets and decide alike on every common sample of each."""
    compared = columns_of(outcomes) if columns is None else tuple(columns)
    traces: dict[Column, list[tuple[str, bytes]]] = {column: [] for column in compared}
    for key in sets_of(outcomes):
        if set(columns_of(outcomes, key.set)).isdisjoint(compared):
            continue
        shared = block(outcomes, key.set, compared)
        for column, decided in zip(shared.columns, shared.decisions, strict=True):
            traces[column].append((key.set, decided.tobytes()))
    groups: dict[tuple[tuple[str, bytes], ...], list[Column]] = {}
    for column, trace in traces.items():
        groups.setdefault(tuple(trace), []).append(column)
    return tuple(tuple(group) for group in groups.values())
