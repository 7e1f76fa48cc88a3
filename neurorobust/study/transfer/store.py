"""What a replay keeps in its folder: tables, rasters, a manifest. A report needs no more."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from neurorobust.compare.spikes import AGREEMENT_COLUMNS
from neurorobust.errors import InvalidFile
from neurorobust.files import write_atomic
from neurorobust.metrics import CLEAN, Column
from neurorobust.study import results
from neurorobust.study.transfer.manifest import ReplayManifest

OUTCOMES, AGREEMENT = "outcomes.parquet", "agreement.parquet"
RASTERS, MANIFEST = "rasters.npz", "manifest.json"

_NOWHERE = ("first_sample", "first_step", "first_neuron", "membrane", "threshold", "distance")
"""Columns of the agreement that may be empty: where a node differs nowhere."""


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """A results folder that was read and found sound.

    Attributes:
        folder: Where it lies.
        outcomes: One row per sample × set × backend × rung.
        agreement: One row per set, rung, compared pair and spiking node.
        rasters: ``clean/<node>`` and ``adversarial/<node>``, shape (T, N), uint8.
        manifest: What was run, from what, with what.
    """

    folder: Path
    outcomes: pl.DataFrame
    agreement: pl.DataFrame
    rasters: Mapping[str, npt.NDArray[np.uint8]]
    manifest: ReplayManifest

    @property
    def surrogate(self) -> Column:
        """The column on which the attacks were crafted."""
        return Column(self.manifest.surrogate.backend, self.manifest.surrogate.rung)


def write_results(
    folder: Path | str,
    outcomes: pl.DataFrame,
    agreement: pl.DataFrame,
    rasters: Mapping[str, npt.NDArray[Any]],
    manifest: Mapping[str, Any],
) -> Path:
    """Check and write a results folder; the manifest comes last, so that it marks a whole folder.

    Args:
        folder: Made if it is not there; files of the same names are replaced.
        outcomes: Columns as in ``OUTCOME_COLUMNS``.
        agreement: Columns as in ``AGREEMENT_COLUMNS``; may have no rows.
        rasters: ``clean/<node>`` and ``adversarial/<node>``, shape (T, N), 0..255; may be empty.
        manifest: Keys as in ``ReplayManifest``; at least ``title``.

    Raises:
        InvalidFile: if a table breaks its rules or the folder cannot be written.
    """
    folder = Path(folder)
    outcomes = results.typed(
        folder / OUTCOMES, outcomes, results.OUTCOME_COLUMNS, empty=results.OUTCOME_EMPTY
    )
    _require_consistent(folder / OUTCOMES, outcomes)
    agreement = results.typed(folder / AGREEMENT, agreement, AGREEMENT_COLUMNS, empty=_NOWHERE)
    checked = _checked_rasters(folder / RASTERS, rasters)
    text = results.manifest_text(folder / MANIFEST, ReplayManifest, manifest)
    (folder / MANIFEST).unlink(missing_ok=True)
    results.write_table(folder / OUTCOMES, outcomes)
    results.write_table(folder / AGREEMENT, agreement)
    buffer = io.BytesIO()
    # mypy reads a mapping unpacked here as the flag allow_pickle
    np.savez_compressed(buffer, **checked)  # type: ignore[arg-type]
    write_atomic(folder / RASTERS, buffer.getvalue())
    write_atomic(folder / MANIFEST, text)
    return folder


def read_results(folder: Path | str) -> Results:
    """Read a results folder and check it.

    Raises:
        InvalidFile: if a file is missing, truncated or breaks its rules.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InvalidFile(folder, "is no folder; give the results folder that a run has written")
    for name in (MANIFEST, OUTCOMES, AGREEMENT, RASTERS):
        if not (folder / name).is_file():
            reason = f"is missing, so the results are not whole; {results.AGAIN}"
            raise InvalidFile(folder / name, reason)
    outcomes = results.read_table(
        folder / OUTCOMES, results.OUTCOME_COLUMNS, empty=results.OUTCOME_EMPTY
    )
    _require_consistent(folder / OUTCOMES, outcomes)
    return Results(
        folder=folder,
        outcomes=outcomes,
        agreement=results.read_table(folder / AGREEMENT, AGREEMENT_COLUMNS, empty=_NOWHERE),
        rasters=_read_rasters(folder / RASTERS),
        manifest=results.read_manifest(folder / MANIFEST, ReplayManifest),
    )


def _read_rasters(path: Path) -> dict[str, npt.NDArray[np.uint8]]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            rasters = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidFile(
            path, f"cannot be read as npz ({results.short(error)}); {results.AGAIN}"
        ) from error
    return _checked_rasters(path, rasters)


def _require_consistent(path: Path, frame: pl.DataFrame) -> None:
    if frame.filter(pl.col("set") == CLEAN).is_empty():
        raise InvalidFile(path, f"has no rows of the set {CLEAN!r}; replay the clean samples too")
    keys = ("set", "backend", "rung", "sample")
    if doubled := int(frame.select(keys).is_duplicated().sum()):
        reason = f"has {doubled} rows that share set, backend, rung and sample; keep one of each"
        raise InvalidFile(path, reason)
    if (count := _inconsistent(frame, "sample", "label")) is not None:
        raise InvalidFile(path, f"sample {count} has more than one label; a sample has one")
    for name in ("attack", "gradient", "epsilon"):
        if (found := _inconsistent(frame, "set", name)) is not None:
            raise InvalidFile(
                path, f"set {found!r} has more than one {name}; give each its own set"
            )


def _inconsistent(frame: pl.DataFrame, key: str, name: str) -> Any | None:
    counts = frame.group_by(key).agg(pl.col(name).n_unique()).filter(pl.col(name) > 1)
    return None if counts.is_empty() else counts.sort(key)[key][0]


def _checked_rasters(
    path: Path, rasters: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[np.uint8]]:
    shapes: dict[str, dict[str, tuple[int, ...]]] = {"clean": {}, "adversarial": {}}
    for name, spikes in rasters.items():
        kind, _, node = name.partition("/")
        if kind not in shapes or not node or spikes.ndim != 2:
            reason = f"{name} {spikes.shape}: wanted are clean/<node>, adversarial/<node> of (T, N)"
            raise InvalidFile(path, reason)
        shapes[kind][node] = spikes.shape
    if shapes["clean"] != shapes["adversarial"]:
        reason = f"clean {shapes['clean']} and adversarial {shapes['adversarial']} must be alike"
        raise InvalidFile(path, reason)
    return {name: spikes.astype(np.uint8) for name, spikes in rasters.items()}
