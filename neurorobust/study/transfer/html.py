"""One HTML file that needs no network: styles, script and figures are inside it."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from neurorobust.files import write_atomic
from neurorobust.metrics import CLEAN, scopes, sets_of
from neurorobust.render import looks
from neurorobust.render.pages import render_template
from neurorobust.render.svg import Drawing
from neurorobust.study.transfer import figures
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
    tables = tuple(
        transfer_table(results, scope) for scope in scopes(results.outcomes, results.surrogate)
    )
    pairs = agreement_rows(results)
    manifest = results.manifest
    return render_template(
        "study/transfer/page.html.j2",
        manifest=manifest,
        surrogate=results.surrogate,
        headline=headline(results, tables, pairs),
        tables=[table for table in tables if table.rows],
        pairs=pairs,
        runs=runs(results),
        sets=[key for key in sets_of(results.outcomes) if key.set != CLEAN],
        colours=colours_of(results),
        comparing=tuple(_comparing(results, tables)),
        raster=raster_pair(results.rasters, results.manifest.raster, node_order(results), "raster"),
        lowering=lowering(manifest.program.report) if manifest.program else None,
        column_list=looks.column_list,
        set_name=looks.set_name,
    )


def _comparing(results: Results, tables: Iterable[TransferTable]) -> Iterable[Drawing]:
    for number, table in enumerate(tables):
        names = looks.column_list(table.scope.limited_by)
        for drawing in filter(None, _drawings(results, table, number)):
            title = f"{drawing.title} · samples of {names}" if number else drawing.title
            yield replace(drawing, title=title)


def _drawings(results: Results, table: TransferTable, number: int) -> Iterable[Drawing | None]:
    moved, headed = table.transfers, table.headline
    keys = [key for key in sets_of(results.outcomes) if key.set == CLEAN]
    if headed is not None:
        yield figures.transfer_map(moved, f"transfer-{number}")
        yield figures.churn_bars(moved, results.surrogate, headed.epsilon, f"churn-{number}")
        keys.append(headed)
    if number == 0:
        yield figures.robustness_curves(results.outcomes, table.scope, "curves")
    yield figures.agreement_matrix(results.outcomes, keys, table.scope, f"agreement-{number}")
