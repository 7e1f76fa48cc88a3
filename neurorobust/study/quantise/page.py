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
from neurorobust.render.pages import render_template
from neurorobust.study.quantise.figures import RULES, accuracy_lines, success_lines
from neurorobust.study.quantise.findings import findings
from neurorobust.study.quantise.rows import REFUSED
from neurorobust.study.quantise.store import MANIFEST, PAGE, read_study
from neurorobust.study.transfer.tables import Cell, cell

Row = dict[str, Any]


def write_page(folder: Path | str) -> Path:
    """Render ``quantise.html`` in the folder of a study, from what lies there alone.

    Raises:
        InvalidFile: if the folder is not whole, or cannot be written.
    """
    rows, manifest = read_study(folder)
    try:
        page = render_page(rows, manifest)
    except (KeyError, UndefinedError) as error:
        reason = f"does not hold all that the page shows ({error}); run the study again"
        raise InvalidFile(Path(folder) / MANIFEST, reason) from error
    return write_atomic(Path(folder) / PAGE, page)


def render_page(rows: pl.DataFrame, manifest: Mapping[str, Any]) -> str:
    """The page as text; an equal study gives equal text."""
    filters = {"integer": looks.integer, "duration": looks.duration, "value": looks.value}
    clean = rows.filter(pl.col("set") == CLEAN).to_dicts()
    attacked = rows.filter(pl.col("set") != CLEAN).to_dicts()
    drawings = (accuracy_lines(rows), success_lines(rows))
    return render_template(
        "study/quantise/page.html.j2",
        filters,
        manifest=manifest,
        headline=findings(rows, manifest["data"]["note"]),
        drawings=[drawing for drawing in drawings if drawing],
        variants=[_variant(row, clean[0]) for row in clean],
        attacked=[_attacked(row) for row in attacked],
        sets={row["set"]: _set_name(row) for row in attacked},
        layers=_layers(manifest["lowering"]),
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
        "colour": RULES[row["scaling"]][0] if row["scaling"] else looks.INK,
        "decay": "" if row["decay_bits"] is None else str(row["decay_bits"]),
    }


def _cell(row: Row, count: str, total: str) -> Cell:
    if row[count] is None or row[total] is None:
        return Cell()
    return cell(Proportion(row[count], row[total]))


def _spikes(row: Row) -> Cell:
    """A share without an interval: spikes are not independent draws."""
    if not row["spike_values"]:
        return Cell()
    share = row["spikes_differing"] / row["spike_values"]
    counts = f"{looks.integer(row['spikes_differing'])} of {looks.integer(row['spike_values'])}"
    return Cell(looks.percent(share, 2), "", counts, share)


def _gained(row: Row) -> Cell:
    if row["gained"] is None:
        return Cell()
    return cell(Proportion(row["gained"], row["attackable"] - row["float_fooled"]))


def _set_name(row: Row) -> str:
    return looks.set_name(SetKey(*(row[field] for field in SetKey._fields)))


def _layers(reports: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The lowering reports of all variants as one table, filtered by variant."""
    columns = tuple(
        dict.fromkeys(name for report in reports for layer in report["layers"] for name in layer)
    )
    rows = []
    for report in reports:
        decay = "" if report["decay_bits"] is None else f", decay {report['decay_bits']} bits"
        name = f"{report['weight_bits']} bits, {report['scaling']}{decay}"
        rows += [
            {"variant": name, "items": [looks.value(layer.get(column)) for column in columns]}
            for layer in report["layers"]
        ]
    return {"columns": columns, "rows": rows}
