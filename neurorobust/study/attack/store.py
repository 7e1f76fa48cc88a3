"""The folder of an attack study: the sets, a table of them, and the manifest."""

from pathlib import Path
from typing import Any

import polars as pl

from neurorobust.audit import EvaluationCard, write_card
from neurorobust.files import write_atomic
from neurorobust.study.attack.run import MANIFEST, Attacked
from neurorobust.study.results import Manifest, manifest_text, write_table

TABLE, CARD = "attacks.parquet", "card.html"


def write_attacks(
    done: Attacked, folder: Path, card: EvaluationCard | str, *, command: str = ""
) -> dict[str, Any]:
    """Write table, card and manifest beside the sets.

    Args:
        done: What was crafted.
        folder: Where the sets are.
        card: Of its audit, or why there is none: without a card that is free of red, no robust
            accuracy is stated.
        command: Recorded.

    Returns:
        The manifest.
    """
    rows = [trial.row() for trial in done.trials]
    write_table(folder / TABLE, pl.DataFrame(rows))
    model, samples, reason = done.network.graph, done.samples, withheld(card)
    manifest = {
        "command": command,
        "model": {"name": model.header.name, "content_hash": model.content_hash},
        "data": {"name": samples.name, "samples": len(samples), "note": samples.note},
        "sets": rows,
        "robust_accuracy": None if reason else robust_accuracy(done),
        "withheld": reason or None,
        "audited": audited(done, card),
        "card": card.as_json() if isinstance(card, EvaluationCard) else None,
    }
    if isinstance(card, EvaluationCard):
        write_card(card, folder / CARD)
    path = folder / MANIFEST
    write_atomic(path, manifest_text(path, Manifest, manifest, allow_nan=True))
    return manifest


def withheld(card: EvaluationCard | str) -> str:
    """Why no robust accuracy is stated; empty if one is."""
    return card if isinstance(card, str) else card.doubt


def robust_accuracy(done: Attacked) -> list[dict[str, Any]]:
    """The worst case at every radius, as JSON values."""
    return [
        {"epsilon": radius, "rate": p.rate, "interval": list(p.interval), "samples": p.n}
        for radius, p in done.worst.items()
    ]


def audited(done: Attacked, card: EvaluationCard | str) -> dict[str, Any] | None:
    """What the attacks of the audit left of its slice, beside what those of the study did.

    An audit runs more kinds of attack, on fewer samples: where it leaves less, the worst case of
    the study is too high.
    """
    if isinstance(card, str) or card.headline is None:
        return None
    radius, count = float(card.threat["epsilon"]), card.samples
    return {
        "epsilon": radius,
        "samples": count,
        "left_by_audit": card.headline.rate,
        "left_by_campaign": float(done.withstood[radius][:count].mean()),
    }
