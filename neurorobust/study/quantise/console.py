"""A study in the terminal; plain lines where there is none."""

from typing import Any

import polars as pl
from rich.console import Console
from rich.text import Text

from neurorobust.metrics import CLEAN, Proportion, SetKey
from neurorobust.render import looks
from neurorobust.render.console import QUIET, table
from neurorobust.study.quantise.findings import findings
from neurorobust.study.quantise.rows import REFUSED


def print_study(console: Console, rows: pl.DataFrame, note: str = "") -> None:
    """The findings, then a row per variant with the success of every attack."""
    whole = not console.is_terminal
    for sentence in findings(rows, note).sentences:
        console.print(Text(f"· {sentence}"), soft_wrap=whole)
    console.print()
    keys = rows.filter(pl.col("set") != CLEAN).select(SetKey._fields).unique(maintain_order=True)
    sets = [SetKey(*row) for row in keys.rows()]
    names = ["bits", "scaling", "decay", "accuracy", "equal", "spikes apart"]
    names += [looks.set_name(key) for key in sets]
    variants = [
        _cells(part.to_dicts(), sets)
        for _, part in rows.group_by("weight_bits", "scaling", "decay_bits", maintain_order=True)
    ]
    if whole:
        for cells, reason in variants:
            pairs = [f"{name} {text}" for name, text in zip(names, cells, strict=False) if text]
            console.print(Text(", ".join([*pairs, *reason])), soft_wrap=True)
        return
    grid = table(*names, right=names[2:], **QUIET)
    for cells, reason in variants:
        grid.add_row(*map(Text, [*cells, *[""] * len(reason), *reason]))
    console.print(grid)
    console.print(Text("In brackets: Wilson 95 % intervals. Attacks: samples fooled.", "dim"))


def _cells(rows: list[dict[str, Any]], sets: list[SetKey]) -> tuple[list[str], list[str]]:
    """What a variant reached, or why it was refused."""
    clean = next(row for row in rows if row["set"] == CLEAN)
    own = clean["weight_bits"] is None
    cells = ["float" if own else str(clean["weight_bits"]), clean["scaling"] or ""]
    cells.append("" if clean["decay_bits"] is None else str(clean["decay_bits"]))
    if clean["status"] == REFUSED:
        return cells, [f"refused: {' '.join(clean['reason'].split())}"]
    reached = Proportion(clean["right"], clean["n"])
    cells.append(f"{looks.percent(reached.rate)} ({looks.interval(reached)})")
    cells.append("" if own else looks.percent(clean["agreement"]))
    values = clean["spike_values"]
    cells.append(looks.percent(clean["spikes_differing"] / values, 2) if values else "")
    success = {row["set"]: row["success"] for row in rows}
    return cells + [looks.percent(success[key.set]) for key in sets], []
