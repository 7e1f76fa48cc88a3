"""Networks × chips on one HTML page that needs no network connection."""

from collections.abc import Sequence
from pathlib import Path

from neurorobust.files import write_atomic
from neurorobust.fit import words
from neurorobust.fit.figure import cores_figure
from neurorobust.fit.result import Check
from neurorobust.render.pages import render_template


def page(checks: Sequence[Check], title: str = "Which network fits on which chip?") -> str:
    """The page as text; equal checks give equal text.

    Args:
        checks: Any networks on any chips; a row per network, a column per chip.
        title: Heading.
    """
    networks = list(dict.fromkeys((check.content_hash, check.model) for check in checks))
    chips = {check.profile: check.chip for check in checks}
    cells = {(check.content_hash, check.profile): check for check in checks}
    rows = [
        {
            "name": name or digest[:8],
            "hash": digest,
            "checks": [cells.get((digest, profile)) for profile in chips],
            "size": next(c for c in checks if c.content_hash == digest),
            "figure": cores_figure(
                [c for c in checks if c.content_hash == digest], f"cores-{number}"
            ),
        }
        for number, (digest, name) in enumerate(networks)
    ]
    return render_template(
        "fit/page.html.j2",
        title=title,
        chips=chips,
        rows=rows,
        cores=words.cores,
        quantity=words.quantity,
        reasons=words.reasons,
        lacking=words.lacking,
        unknown=words.unknown,
        share=words.share,
    )


def write_page(checks: Sequence[Check], path: Path | str) -> Path:
    """Write the page; it appears whole or not at all."""
    text = page(checks)
    return write_atomic(path, text)
