"""From decisions and spikes to the rows of the table.

A variant is compared with the float model alone, so that one poor variant takes no samples from the
others: its attack success counts samples that both decide rightly when clean.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from neurorobust import metrics
from neurorobust.compare.spikes import SpikeComparison, first_divergence
from neurorobust.ir import Model
from neurorobust.study.quantise.measure import Measured
from neurorobust.study.quantise.sweep import Variant
from neurorobust.study.results import Columns

FLOAT, VARIANT = metrics.Column("torch", "float"), metrics.Column("torch", "variant")
REFUSED, RAN = "refused", "ran"

TABLE_COLUMNS: Columns = {
    "weight_bits": pl.Int64,
    "scaling": pl.String,
    "decay_bits": pl.Int64,
    "status": pl.String,
    "reason": pl.String,
    "program": pl.String,
    "set": pl.String,
    "attack": pl.String,
    "gradient": pl.String,
    "epsilon": pl.Float64,
    "n": pl.Int64,
    "right": pl.Int64,
    "accuracy": pl.Float64,
    "accuracy_low": pl.Float64,
    "accuracy_high": pl.Float64,
    "agreeing": pl.Int64,
    "agreement": pl.Float64,
    "agreement_low": pl.Float64,
    "agreement_high": pl.Float64,
    "spike_values": pl.Int64,
    "spikes_differing": pl.Int64,
    "first_node": pl.String,
    "first_step": pl.Int64,
    "attackable": pl.Int64,
    "fooled": pl.Int64,
    "success": pl.Float64,
    "success_low": pl.Float64,
    "success_high": pl.Float64,
    "float_fooled": pl.Int64,
    "kept": pl.Int64,
    "lost": pl.Int64,
    "gained": pl.Int64,
    "p_value": pl.Float64,
}
"""Columns of the table: one row per variant and set; the float model comes first, without bits.

Counts are over ``n`` samples, those of an attack (from ``fooled`` on) over ``attackable``: the
samples that the float model and the variant both decide rightly when clean.
"""


def refused_row(variant: Variant, reason: str) -> dict[str, Any]:
    """The one row of a variant that lowering refuses."""
    return _keys(variant, REFUSED) | {"reason": reason, "set": metrics.CLEAN}


def float_rows(outcomes: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows of the float model."""
    named = _named(outcomes, FLOAT)
    found = {own.key.set: own for own in metrics.transfer(named, FLOAT)}
    rows = []
    for key in metrics.sets_of(named):
        row = (
            key._asdict()
            | {"status": RAN}
            | _rate("accuracy", metrics.accuracies(named, key.set)[FLOAT])
        )
        if key.set in found:
            success = found[key.set].success
            row |= _rate("success", success) | {"float_fooled": success.count}
        rows.append(row)
    return rows


def rows_of(
    variant: Variant, model: Model, float_outcomes: pl.DataFrame, found: Measured
) -> list[dict[str, Any]]:
    """The rows of a variant, one per set, the clean one first.

    Args:
        variant: What was varied.
        model: The lowered model.
        float_outcomes: Decisions of the float model.
        found: Decisions of the variant on the same samples, and its spikes against the float
            model's.
    """
    both = pl.concat([_named(float_outcomes, FLOAT), _named(found.outcomes, VARIANT)])
    attacked = {own.key.set: own for own in metrics.transfer(both, FLOAT) if own.column == VARIANT}
    rows = []
    for key in metrics.sets_of(both):
        row = _keys(variant, RAN) | {"program": model.content_hash} | key._asdict()
        row |= _rate("accuracy", metrics.accuracies(both, key.set)[VARIANT])
        row |= _rate("agreement", metrics.decision_agreement(both, key.set)[FLOAT, VARIANT])
        row |= _spikes(found.spikes) if key.set == metrics.CLEAN else _attacked(attacked[key.set])
        rows.append(row)
    return rows


def table(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """The rows with all columns, in their order."""
    complete = [{name: row.get(name) for name in TABLE_COLUMNS} for row in rows]
    return pl.DataFrame(complete, schema=TABLE_COLUMNS)


def _keys(variant: Variant, status: str) -> dict[str, Any]:
    return {
        "weight_bits": variant.weight_bits,
        "scaling": variant.scaling,
        "decay_bits": variant.decay_bits,
        "status": status,
    }


_COUNTS = {
    "accuracy": ("right", "n"),
    "agreement": ("agreeing", "n"),
    "success": ("fooled", "attackable"),
}


def _rate(name: str, p: metrics.Proportion) -> dict[str, Any]:
    count, total = _COUNTS[name]
    low, high = p.interval
    return {count: p.count, total: p.n, name: p.rate, f"{name}_low": low, f"{name}_high": high}


def _spikes(compared: Sequence[SpikeComparison]) -> dict[str, Any]:
    if not compared:
        return {}
    first = first_divergence(compared)
    return {
        "spike_values": sum(node.values for node in compared),
        "spikes_differing": sum(node.differing for node in compared),
        "first_node": first.node if first else None,
        "first_step": first.first_step if first else None,
    }


def _attacked(own: metrics.Transfer) -> dict[str, Any]:
    assert own.churn is not None  # noqa: S101  # the float model ran every set
    churn = own.churn
    return _rate("success", own.success) | {
        "float_fooled": churn.kept.n,
        "kept": churn.kept.count,
        "lost": churn.lost.count,
        "gained": churn.gained.count,
        "p_value": churn.p_value,
    }


def _named(outcomes: pl.DataFrame, column: metrics.Column) -> pl.DataFrame:
    return outcomes.with_columns(backend=pl.lit(column.backend), rung=pl.lit(column.rung))
