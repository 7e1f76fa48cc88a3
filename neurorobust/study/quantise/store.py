"""The folder of a study: finished runs, the table, the manifest, the page.

A run is kept under a name made of everything that decides it, so it is found again only where all
of that is the same. The manifest is written last: with it the folder is whole.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from neurorobust.errors import InvalidFile
from neurorobust.files import write_atomic
from neurorobust.ir import Graph, Model
from neurorobust.ir.identity import canonical_json
from neurorobust.metrics import SpikeComparison
from neurorobust.study.quantise.measure import BATCH, Measured
from neurorobust.study.quantise.rows import TABLE_COLUMNS
from neurorobust.study.replay import Batch
from neurorobust.study.transfer.store import OUTCOME_COLUMNS

TABLE, MANIFEST, PAGE, RUNS = "quantise.parquet", "quantise.json", "quantise.html", "runs"
_AGAIN = "delete it, and the study runs it again"


class Runs:
    """Finished runs of one study.

    Args:
        folder: Of the study.
        graph: The float model that all variants are compared with.
        batches: Clean samples and attacks.
        data: SHA-256 of the clean samples.
    """

    def __init__(self, folder: Path, graph: Graph, batches: Sequence[Batch], data: str) -> None:
        self.folder = folder / RUNS
        self.common = {
            "graph": graph.content_hash,
            "data": data,
            "spikes": BATCH,
            "sets": [[batch.name, len(batch.label)] for batch in batches],
        }

    def path(self, model: Model) -> Path:
        """Where the run of a model is kept."""
        key = canonical_json(self.common | {"model": model.content_hash})
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.parquet"

    def load(self, model: Model) -> Measured | None:
        """A finished run, if there is one.

        Raises:
            InvalidFile: if what is there is damaged.
        """
        path = self.path(model)
        if not path.exists():
            return None
        return Measured(read_table(path, OUTCOME_COLUMNS), _spikes(path.with_suffix(".json")))

    def save(self, model: Model, found: Measured) -> None:
        """Keep a finished run; the decisions come last and mark it."""
        path = self.path(model)
        listed = json.dumps([asdict(node) for node in found.spikes], indent=1)
        write_atomic(path.with_suffix(".json"), listed + "\n")
        write_table(path, found.outcomes.select(list(OUTCOME_COLUMNS)))


def write_study(folder: Path, rows: pl.DataFrame, manifest: dict[str, Any]) -> None:
    """Table, then manifest."""
    (folder / MANIFEST).unlink(missing_ok=True)
    write_table(folder / TABLE, rows)
    write_atomic(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def read_study(folder: Path | str) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Table and manifest of a study.

    Raises:
        InvalidFile: if the folder is not whole.
    """
    manifest = _object(Path(folder) / MANIFEST)
    return read_table(Path(folder) / TABLE, TABLE_COLUMNS), manifest


def write_table(path: Path, frame: pl.DataFrame) -> None:
    """One Parquet file; it appears whole or not at all."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    write_atomic(path, buffer.getvalue())


def read_table(path: Path, columns: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    """The columns of a Parquet file.

    Raises:
        InvalidFile: if it is missing, damaged, or lacks a column.
    """
    try:
        frame = pl.read_parquet(io.BytesIO(path.read_bytes()))
        return frame.select(pl.col(name).cast(kind) for name, kind in columns.items())
    except (OSError, pl.exceptions.PolarsError) as error:
        first = str(error).split("\n", maxsplit=1)[0][:160]
        raise InvalidFile(path, f"is no whole table of a study ({first}); {_AGAIN}") from error


def _spikes(path: Path) -> tuple[SpikeComparison, ...]:
    try:
        return tuple(SpikeComparison(**node) for node in json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        reason = f"is no comparison of spikes ({error}); delete it and the table beside it"
        raise InvalidFile(path, reason) from error


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
        if not isinstance(found, dict):
            msg = f"it holds a {type(found).__name__}, not an object"
            raise ValueError(msg)
    except (OSError, ValueError) as error:
        reason = f"is no manifest of a study ({error}); run the study again"
        raise InvalidFile(path, reason) from error
    return found
