"""The columns of every table of a study: each row says which run it is from.

Rows of several studies can be put under each other: all have the same columns in the same types.
"""

from typing import Any

import polars as pl

from neurorobust.compare.spikes import SPIKE_COLUMNS

Columns = dict[str, type[pl.DataType]]

WHERE: Columns = {
    "model": pl.String,
    "model_hash": pl.String,
    "profile": pl.String,
    "weight_bits": pl.Int64,
    "scaling": pl.String,
    "decay_bits": pl.Int64,
    "program": pl.String,
    "backend": pl.String,
    "rung": pl.String,
    "execution": pl.String,
}
"""What ran and where; of a Graph the columns of lowering are empty, and the hash has 12 digits."""
WHAT: Columns = {
    "data": pl.String,
    "part": pl.String,
    "coding": pl.String,
    "set": pl.String,
    "crafted_on": pl.String,
    "attack": pl.String,
    "gradient": pl.String,
    "knowledge": pl.String,
    "threat": pl.String,
    "epsilon": pl.Float64,
    "seed": pl.Int64,
}
"""What it was shown: ``clean`` samples or the set of an attack, by the start of its hash.

``attack`` and ``gradient`` are spelled with their unusual parameters, as ``pgd(steps=40)``;
``crafted_on`` is the start of the hash of the model that the attacker saw.
"""
RUN: Columns = WHERE | WHAT
OUTCOMES: Columns = RUN | {
    "sample": pl.Int64,
    "label": pl.Int64,
    "decision": pl.Int64,
    "margin": pl.Float64,
}
"""A row per run and sample; ``margin`` is the score of the label less the largest other."""
AGREEMENT: Columns = RUN | {"against": pl.String} | SPIKE_COLUMNS
"""A row per run and spiking node whose spikes were compared with those of another run."""
ROWS: Columns = RUN | {
    "status": pl.String,
    "reason": pl.String,
    "n": pl.Int64,
    "right": pl.Int64,
    "accuracy": pl.Float64,
    "accuracy_low": pl.Float64,
    "accuracy_high": pl.Float64,
    "agreeing": pl.Int64,
    "compared": pl.Int64,
    "agreement": pl.Float64,
    "agreement_low": pl.Float64,
    "agreement_high": pl.Float64,
    "spike_values": pl.Int64,
    "spikes_fired": pl.Int64,
    "spikes_differing": pl.Int64,
    "first_node": pl.String,
    "first_step": pl.Int64,
    "attackable": pl.Int64,
    "fooled": pl.Int64,
    "success": pl.Float64,
    "success_low": pl.Float64,
    "success_high": pl.Float64,
    "surrogate_fooled": pl.Int64,
    "kept": pl.Int64,
    "lost": pl.Int64,
    "gained": pl.Int64,
    "p_value": pl.Float64,
}
"""A row per run: ``status`` is ``done``, ``refused``, ``unavailable`` or ``failed``, with why.

Rates stand beside their counts and Wilson 95 % intervals. ``agreement`` is the share of the
decisions ``compared`` that are those of the same model on the rung float, spikes likewise;
``success`` counts samples fooled of those right when clean here and on the surrogate
(``attackable``); ``kept`` to ``p_value`` follow the surrogate's successes (``surrogate_fooled``).
"""
CELLS: Columns = {
    "cell": pl.String,
    "kind": pl.String,
    "what": pl.String,
    "status": pl.String,
    "reason": pl.String,
    "attempts": pl.Int64,
    "reused": pl.Boolean,
    "cpu_s": pl.Float64,
    "wall_s": pl.Float64,
    "peak_mb": pl.Float64,
    "estimate_s": pl.Float64,
}
"""A row per cell: what it was, how it ended, and what it cost."""


def frame(columns: Columns, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows with all columns, in their order and types; what a row does not say is empty."""
    complete = [{name: row.get(name) for name in columns} for row in rows]
    return pl.DataFrame(complete, schema=columns)
