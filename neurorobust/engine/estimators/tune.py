"""Choosing a hyper-parameter, with a record of what it was chosen on."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from neurorobust.engine.estimators.base import Estimator
from neurorobust.errors import InvalidInput


def tune(
    make: Callable[[Any], Estimator],
    grid: Iterable[Any],
    success: Callable[[Estimator], float],
    *,
    split: str,
) -> tuple[Estimator, dict[Any, float]]:
    """The estimator of the grid with the highest success; the first among equals.

    Args:
        make: From a value of the grid to an estimator, e.g. ``Hart``.
        grid: Values to try.
        success: Of the attack with an estimator, on the split.
        split: Name of the samples ``success`` looks at; kept in the estimator's parameters.

    Returns:
        The estimator, and the success of every value.

    Raises:
        InvalidInput: for an empty grid or name, or a success that is NaN.
    """
    if not split:
        msg = "name the split on which the parameter is tuned, e.g. split='validation'"
        raise InvalidInput(msg)
    found: dict[Any, float] = {}
    best: tuple[float, Estimator] | None = None
    for value in grid:
        estimator = make(value)
        found[value] = reached = success(estimator)
        if math.isnan(reached):
            msg = f"success is NaN at {value}; it must be a number for every value of the grid"
            raise InvalidInput(msg)
        if best is None or reached > best[0]:
            best = reached, estimator
    if best is None:
        raise InvalidInput("the grid is empty; give at least one value to try")
    return replace(best[1], tuned_on=split), found
