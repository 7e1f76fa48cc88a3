"""Pure functions on results: what was computed alike, and which attacks survived the trip."""

from neurorobust.metrics.accuracy import accuracies
from neurorobust.metrics.agreement import decision_agreement
from neurorobust.metrics.intervals import Proportion, wilson
from neurorobust.metrics.samples import (
    CLEAN,
    Block,
    Column,
    SetKey,
    block,
    columns_of,
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
    "Definition",
    "Outcomes",
    "Proportion",
    "Rate",
    "SetKey",
    "Transfer",
    "accuracies",
    "block",
    "churn",
    "columns_of",
    "decision_agreement",
    "mcnemar_exact",
    "sets_of",
    "success_rates",
    "transfer",
    "wilson",
]
