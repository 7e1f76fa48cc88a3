"""One HTML file that needs no network: styles, script and figures are inside it."""

from collections.abc import Iterable
from pathlib import Path

from neurorobust.files import write_atomic
from neurorobust.metrics import CLEAN, scopes, sets_of
from neurorobust.render import looks
from neurorobust.render.pages import render_template
from neurorobust.render.svg import Drawing
from neurorobust.study.transfer.figures import (
    agreement_matrix,
    churn_bars,
    robustness_curves,
    transfer_map,
)
from neurorobust.study.transfer.headline import headline
from neurorobust.study.transfer.raster import raster_pair
from neurorobust.study.transfer.store import Results, read_results
from neurorobust.study.transfer.tables import (
    TransferTable,
    agreement_rows,
    colours_of,
    lowering,
    node_order,
    runs,
    transfer_table,
)

REPORT = "report.html"


def write_report(folder: Path | str) -> Path:
    """Render ``report.html`` in a results folder, from what lies in that folder alone.

    Raises:
        InvalidFile: if the folder is not whole, or cannot be written.
    """
    results = read_results(folder)
    return write_atomic(results.folder / REPORT, render_report(results))


def render_report(results: Results) -> str:
    """The page as text; equal results give equal text."""
    filters = {
        "duration": looks.duration,
        "epsilon": looks.epsilon,
        "integer": looks.integer,
        "percent": looks.percent,
        "proper": looks.proper,
        "value": looks.value,
    }
    tables = tuple(
        transfer_table(results, scope) for scope in scopes(results.outcomes, results.surrogate)
    )
    pairs = agreement_rows(results)
    manifest = results.manifest
    return render_template(
        "study/transfer/page.html.j2",
        filters,
        manifest=manifest,
        surrogate=results.surrogate,
        headline=headline(results, tables, pairs),
        tables=[table for table in tables if table.rows],
        pairs=pairs,
        runs=runs(results),
        sets=[key for key in sets_of(results.outcomes) if key.set != CLEAN],
        colours=colours_of(results),
        comparing=tuple(_comparing(results, tables)),
        raster=_raster(results),
        lowering=lowering(manifest.program.report) if manifest.program else None,
        column_list=looks.column_list,
        set_name=looks.set_name,
    )


def _comparing(results: Results, tables: Iterable[TransferTable]) -> Iterable[Drawing]:
    for number, table in enumerate(tables):
        headed = table.headline
        whole = number == 0
        if headed is not None:
            yield _within(transfer_map(table.transfers, f"transfer-{number}"), table, whole=whole)
            radius = headed.epsilon
            churn = churn_bars(table.transfers, results.surrogate, radius, f"churn-{number}")
            if churn:
                yield _within(churn, table, whole=whole)
        if whole and (curve := robustness_curves(results.outcomes, table.scope, "curves")):
            yield curve
        keys = [k for k in sets_of(results.outcomes) if k.set == CLEAN]
        keys += [headed] if headed else []
        name = f"agreement-{number}"
        if matrix := agreement_matrix(results.outcomes, keys, table.scope, name):
            yield _within(matrix, table, whole=whole)


def _within(drawing: Drawing, table: TransferTable, *, whole: bool) -> Drawing:
    if whole:
        return drawing
    names = looks.column_list(table.scope.limited_by)
    return Drawing(f"{drawing.title} · samples of {names}", drawing.caption, drawing.svg)


def _raster(results: Results) -> Drawing | None:
    return raster_pair(results.rasters, results.manifest.raster, node_order(results), "raster")
