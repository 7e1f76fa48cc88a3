"""One HTML file for every study: styles, script and figures are inside it."""

import json
from pathlib import Path
from typing import Any

from jinja2 import UndefinedError

from neurorobust.errors import InvalidFile
from neurorobust.files import write_atomic
from neurorobust.render import looks
from neurorobust.render.pages import render_template
from neurorobust.study.folder import AGAIN, MANIFEST, REPORT, Results, read
from neurorobust.study.report import agree, figures, quantised, sections
from neurorobust.study.report.answer import answer
from neurorobust.study.report.pictures import pictures
from neurorobust.study.report.raster import raster_pair
from neurorobust.study.report.transfer import headline_set, transfers
from neurorobust.study.report.view import View, method_name
from neurorobust.study.report.worst import colours_of, worst_rows

CONTENTS = {
    "answer": "Answer",
    "worst": "Worst case",
    "asked": "What was asked",
    "fit": "Does it fit",
    "ran": "What ran where",
    "same": "Do they compute the same",
    "bits": "What fewer bits cost",
    "survive": "Which attacks survive",
    "pictures": "Samples and spikes",
    "lowering": "What lowering did",
    "audit": "Audit",
    "sets": "Attack sets",
    "missing": "What did not run",
    "provenance": "Provenance",
}
"""Sections by anchor, in their order."""


def write_report(folder: Path | str) -> Path:
    """Render ``report.html`` in the folder of a study, from what lies there alone.

    Raises:
        InvalidFile: if the folder is not whole, or cannot be written.
    """
    folder = Path(folder)
    try:
        page = render_report(read(folder))
    except UndefinedError as error:
        reason = f"does not hold all that the page shows ({error}); {AGAIN}"
        raise InvalidFile(folder / MANIFEST, reason) from error
    return write_atomic(folder / REPORT, page)


def render_report(results: Results) -> str:
    """The page as text; equal results give equal text."""
    view = View(results)
    manifest = results.manifest
    rows = transfers(view)
    pairs = agree.pairs(view)
    first = headline_set(view)
    arriving = figures.transfer_map(view, rows)
    shown: dict[str, Any] = {
        "answer": answer(view, rows, pairs),
        "worst": worst_rows(view),
        "asked": manifest.models or manifest.data,
        "fit": _fits(view),
        "ran": sections.lane_rows(view),
        "same": pairs,
        "bits": quantised.variants(view),
        "survive": rows,
        "pictures": (*pictures(view), *filter(None, [raster_pair(view)])),
        "lowering": sections.layers(view),
        "audit": sections.audit_rows(view),
        "sets": sections.set_rows(view),
        "missing": sections.causes(view) or manifest.failures,
        "provenance": True,
    }
    return render_template(
        "study/report/page.html.j2",
        manifest=manifest,
        view=view,
        shown=shown,
        contents={key: title for key, title in CONTENTS.items() if shown[key]},
        first=first,
        parameters=sections.parameters(view),
        causes=sections.causes(view),
        colours=colours_of(view),
        radii=[view.radius(radius) for radius in view.radii],
        drawings={
            "worst": _drawn(figures.worst_curves(view)),
            "bits": _drawn(quantised.accuracy_lines(view), arriving if view.varied else None),
            "survive": _drawn(
                None if view.varied else arriving,
                figures.churn_bars(view, rows, first),
                figures.attack_curves(view),
            ),
        },
        against=agree.against,
        where=agree.where,
        method_name=method_name,
        study=json.dumps(manifest.study, indent=1, ensure_ascii=False) if manifest.study else "",
        proper=looks.proper,
    )


def _fits(view: View) -> tuple[Any, ...]:
    """What was checked; the words for it are loaded only where something was."""
    if not view.manifest.checks:
        return ()
    from neurorobust.study.report.fits import fit_rows

    return fit_rows(view)


def _drawn(*drawings: Any) -> list[Any]:
    return [drawing for drawing in drawings if drawing is not None]
