"""Pure functions on results: what was computed alike, and which attacks survived the trip."""

from neurorobust.metrics.accuracy import accuracies
from neurorobust.metrics.agreement import decision_agreement, identical_columns
from neurorobust.metrics.intervals import Proportion, wilson
from neurorobust.metrics.robustness import Curve, Point, curves, worst_case
from neurorobust.metrics.samples import (
    CLEAN,
    Block,
    Column,
    Scope,
    SetKey,
    block,
    columns_of,
    scopes,
    sets_of,
)
from neurorobust.metrics.success import (
    DEFINITIONS,
    PRINTED,
    Definition,
    Outcomes,
    Rate,
    success_rates,
)
from neurorobust.metrics.transfer import Churn, Transfer, churn, mcnemar_exact, transfer

__all__ = [
    "CLEAN",
    "DEFINITIONS",
    "PRINTED",
    "Block",
    "Churn",
    "Column",
    "Curve",
    "Definition",
    "Outcomes",
    "Point",
    "Proportion",
    "Rate",
    "Scope",
    "SetKey",
    "Transfer",
    "accuracies",
    "block",
    "churn",
    "columns_of",
    "curves",
    "decision_agreement",
    "identical_columns",
    "mcnemar_exact",
    "scopes",
    "sets_of",
    "success_rates",
    "transfer",
    "wilson",
    "worst_case",
]
