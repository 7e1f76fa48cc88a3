"""The results folder: two Parquet tables, rasters, a manifest. A report needs nothing else."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import ValidationError

from neurorobust.errors import InvalidFile
from neurorobust.files import write_atomic
from neurorobust.metrics import CLEAN, Column
from neurorobust.metrics.agreement import AGREEMENT_COLUMNS
from neurorobust.study.transfer.manifest import Manifest

OUTCOMES, AGREEMENT = "outcomes.parquet", "agreement.parquet"
RASTERS, MANIFEST = "rasters.npz", "manifest.json"

OUTCOME_COLUMNS: dict[str, type[pl.DataType]] = {
    "set": pl.String,
    "attack": pl.String,
    "gradient": pl.String,
    "epsilon": pl.Float64,
    "backend": pl.String,
    "rung": pl.String,
    "sample": pl.Int64,
    "label": pl.Int64,
    "decision": pl.Int64,
    "margin": pl.Float64,
}
_NULLABLE = frozenset(
    ("margin", "first_sample", "first_step", "first_neuron", "membrane", "threshold", "distance")
)
_AGAIN = "run the study again, or copy the whole folder"


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
    manifest: Manifest

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
        manifest: Keys as in ``Manifest``; at least ``title``.

    Raises:
        InvalidFile: if a table breaks its rules or the folder cannot be written.
    """
    folder = Path(folder)
    outcomes = _checked_outcomes(folder / OUTCOMES, outcomes)
    agreement = _typed(folder / AGREEMENT, agreement, AGREEMENT_COLUMNS)
    checked = _checked_rasters(folder / RASTERS, rasters)
    text = _manifest_text(folder / MANIFEST, manifest)
    (folder / MANIFEST).unlink(missing_ok=True)
    for name, frame in ((OUTCOMES, outcomes), (AGREEMENT, agreement)):
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        write_atomic(folder / name, buffer.getvalue())
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
            reason = f"is missing, so the results are not whole; {_AGAIN}"
            raise InvalidFile(folder / name, reason)
    return Results(
        folder=folder,
        outcomes=_checked_outcomes(folder / OUTCOMES, _read_parquet(folder / OUTCOMES)),
        agreement=_typed(folder / AGREEMENT, _read_parquet(folder / AGREEMENT), AGREEMENT_COLUMNS),
        rasters=_read_rasters(folder / RASTERS),
        manifest=_read_manifest(folder / MANIFEST),
    )


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(io.BytesIO(path.read_bytes()))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InvalidFile(path, f"cannot be read as Parquet ({_short(error)}); {_AGAIN}") from error


def _read_rasters(path: Path) -> dict[str, npt.NDArray[np.uint8]]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            rasters = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidFile(path, f"cannot be read as npz ({_short(error)}); {_AGAIN}") from error
    return _checked_rasters(path, rasters)


def _read_manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InvalidFile(path, f"{_faults(error)}; {_AGAIN}") from error
    except OSError as error:
        raise InvalidFile(path, f"cannot be read ({_short(error)}); {_AGAIN}") from error


def _manifest_text(path: Path, manifest: Mapping[str, Any]) -> str:
    try:
        Manifest.model_validate(dict(manifest))
        return json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except ValidationError as error:
        raise InvalidFile(path, f"{_faults(error)}; correct the manifest") from error
    except (TypeError, ValueError) as error:
        reason = f"cannot be written as JSON ({error}); use text, finite numbers, lists, mappings"
        raise InvalidFile(path, reason) from error


def _typed(
    path: Path, frame: pl.DataFrame, columns: Mapping[str, type[pl.DataType]]
) -> pl.DataFrame:
    if missing := [name for name in columns if name not in frame.columns]:
        reason = f"lacks the column(s) {', '.join(missing)}; it needs {', '.join(columns)}"
        raise InvalidFile(path, reason)
    try:
        typed = frame.select(pl.col(name).cast(kind) for name, kind in columns.items())
    except pl.exceptions.PolarsError as error:
        raise InvalidFile(path, f"has a column of another type ({_short(error)})") from error
    for name in columns:
        if name not in _NULLABLE and (empty := typed[name].null_count()):
            raise InvalidFile(path, f"column {name} is empty in {empty} row(s); fill every row")
    return typed


def _checked_outcomes(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    frame = _typed(path, frame, OUTCOME_COLUMNS)
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
    return frame


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


def _faults(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}" for fault in error.errors()
    )


def _short(error: Exception) -> str:
    return str(error).split("\n", maxsplit=1)[0][:160]
