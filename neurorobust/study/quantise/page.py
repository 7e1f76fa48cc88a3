"""The page of a study: one HTML file that needs no network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import UndefinedError

from neurorobust.errors import InvalidFile
from neurorobust.files import write_atomic
from neurorobust.metrics import CLEAN, Proportion, SetKey
from neurorobust.render import looks
from neurorobust.render.colours import INK, RULES
from neurorobust.render.numbers import Entry, entry
from neurorobust.render.pages import render_template
from neurorobust.study.quantise.figures import accuracy_lines, success_lines
from neurorobust.study.quantise.findings import findings
from neurorobust.study.quantise.rows import REFUSED
from neurorobust.study.quantise.run import MANIFEST, PAGE, Lowered, QuantiseManifest, read_study
from neurorobust.study.results import AGAIN

Row = dict[str, Any]


def write_page(folder: Path | str) -> Path:
    """Render ``quantise.html`` in the folder of a study, from what lies there alone.

    Raises:
        InvalidFile: if the folder is not whole, or cannot be written.
    """
    try:
        page = render_page(*read_study(folder))
    except UndefinedError as error:
        reason = f"does not hold all that the page shows ({error}); {AGAIN}"
        raise InvalidFile(Path(folder) / MANIFEST, reason) from error
    return write_atomic(Path(folder) / PAGE, page)


def render_page(rows: pl.DataFrame, manifest: QuantiseManifest) -> str:
    """The page as text; an equal study gives equal text."""
    clean = rows.filter(pl.col("set") == CLEAN).to_dicts()
    attacked = rows.filter(pl.col("set") != CLEAN).to_dicts()
    drawings = (accuracy_lines(rows), success_lines(rows))
    return render_template(
        "study/quantise/page.html.j2",
        manifest=manifest,
        headline=findings(rows, manifest.data.note),
        drawings=[drawing for drawing in drawings if drawing],
        variants=[_variant(row, clean[0]) for row in clean],
        attacked=[_attacked(row) for row in attacked],
        sets={row["set"]: _set_name(row) for row in attacked},
        layers=_layers(manifest.lowering),
        refused=REFUSED,
    )


def _variant(row: Row, own: Row) -> Row:
    shown = _named(row) | {"status": row["status"], "reason": row["reason"]}
    if row["status"] == REFUSED:
        return shown
    change = row["accuracy"] - own["accuracy"]
    return shown | {
        "accuracy": _cell(row, "right", "n"),
        "change": "" if row is own else f"{100 * change:+.1f}".replace("-", "−"),
        "change_sort": change,
        "agreement": _cell(row, "agreeing", "n"),
        "spikes": _spikes(row),
        "first": ""
        if row["first_node"] is None
        else f"{row['first_node']}, step {row['first_step']}",
    }


def _attacked(row: Row) -> Row:
    return _named(row) | {
        "set": row["set"],
        "attack": _set_name(row),
        "accuracy": _cell(row, "right", "n"),
        "success": _cell(row, "fooled", "attackable"),
        "kept": _cell(row, "kept", "float_fooled"),
        "lost": _cell(row, "lost", "float_fooled"),
        "gained": _gained(row),
        "p": "" if row["p_value"] is None else looks.p_value(row["p_value"]),
        "p_sort": 2.0 if row["p_value"] is None else row["p_value"],
    }


def _named(row: Row) -> Row:
    own = row["weight_bits"] is None
    return {
        "bits": "float" if own else str(row["weight_bits"]),
        "bits_sort": 99 if own else row["weight_bits"],
        "scaling": row["scaling"] or "",
        "colour": RULES[row["scaling"]][0] if row["scaling"] else INK,
        "decay": "" if row["decay_bits"] is None else str(row["decay_bits"]),
    }


def _cell(row: Row, count: str, total: str) -> Entry:
    if row[count] is None or row[total] is None:
        return Entry()
    return entry(Proportion(row[count], row[total]))


def _spikes(row: Row) -> Entry:
    """A share without an interval: spikes are not independent draws."""
    if not row["spike_values"]:
        return Entry()
    share = row["spikes_differing"] / row["spike_values"]
    counts = f"{looks.integer(row['spikes_differing'])} of {looks.integer(row['spike_values'])}"
    return Entry(looks.percent(share, 2), "", counts, share)


def _gained(row: Row) -> Entry:
    if row["gained"] is None:
        return Entry()
    return entry(Proportion(row["gained"], row["attackable"] - row["float_fooled"]))


def _set_name(row: Row) -> str:
    return looks.set_name(SetKey(*(row[field] for field in SetKey._fields)))


def _layers(variants: Sequence[Lowered]) -> Mapping[str, Any]:
    """The lowering reports of all variants as one table, filtered by variant."""
    columns = tuple(dict.fromkeys(name for v in variants for layer in v.layers for name in layer))
    rows = [
        {"variant": str(v.variant), "items": [looks.value(layer.get(column)) for column in columns]}
        for v in variants
        for layer in v.layers
    ]
    return {"columns": columns, "rows": rows}
