"""A results folder: typed tables, finished runs by what decides them, and a manifest written last.

With its manifest a folder is whole; without, its files may belong to two runs.
"""

import hashlib
import io
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from neurorobust.errors import InvalidFile
from neurorobust.files import write_atomic
from neurorobust.ir.identity import canonical_json

Columns = Mapping[str, type[pl.DataType]]

OUTCOME_COLUMNS: Columns = {
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
"""Of what a replay decided: one row per sample × set × backend × rung."""
OUTCOME_EMPTY = ("margin",)
"""Columns of these that may be empty."""
AGAIN = "run the study again, or copy the whole folder"


class Part(BaseModel):
    """Of a manifest; unknown keys stay, so nothing that a later version says is thrown away."""

    model_config = ConfigDict(extra="allow", frozen=True)


class ModelInfo(Part):
    """The network as trained."""

    name: str = ""
    content_hash: str = ""
    card: dict[str, Any] = Field(default_factory=dict)


class ProfileInfo(Part):
    """The hardware profile that was lowered to."""

    name: str = ""
    file: str = ""
    sha256: str = ""


class AttackSetInfo(Part):
    """One frozen attack set."""

    set: str
    attack: str = ""
    gradient: str = ""
    epsilon: float = 0.0
    n: int | None = None
    content_hash: str = ""
    surrogate_asr: float | None = None
    params: dict[str, Any] = Field(default_factory=dict)


class Manifest(Part):
    """What every study says about itself; each has keys of its own besides."""

    title: str = ""
    command: str = ""
    created: str = ""
    wall_s: float | None = None
    versions: dict[str, Any] = Field(default_factory=dict)
    model: ModelInfo = ModelInfo()
    profile: ProfileInfo | None = None
    attack_sets: list[AttackSetInfo] = Field(default_factory=list)


Kind = TypeVar("Kind", bound=Manifest)


def begin(folder: Path, manifest: str) -> None:
    """Find out before the work whether the folder can be written; from now on it is not whole.

    Raises:
        InvalidFile: if nothing can be written there.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidFile(folder, "is a file; choose a folder with --out")
    write_atomic(folder / ".writable", b"").unlink()
    (folder / manifest).unlink(missing_ok=True)


def manifest_text(
    path: Path, kind: type[Manifest], said: Mapping[str, Any], *, allow_nan: bool = False
) -> str:
    """A manifest, checked, for the file that marks a whole folder once all others are written.

    Raises:
        InvalidFile: if a key breaks its rule or a value has no form in JSON.
    """
    try:
        kind.model_validate(dict(said))
        return json.dumps(said, indent=2, ensure_ascii=False, allow_nan=allow_nan) + "\n"
    except ValidationError as error:
        raise InvalidFile(path, f"{_faults(error)}; correct the manifest") from error
    except (TypeError, ValueError) as error:
        reason = f"cannot be written as JSON ({error}); use text, finite numbers, lists, mappings"
        raise InvalidFile(path, reason) from error


def read_manifest(path: Path, kind: type[Kind]) -> Kind:
    """What a folder says about itself.

    Raises:
        InvalidFile: if it is missing, damaged, or of another study.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InvalidFile(path, f"{_faults(error)}; {AGAIN}") from error
    except OSError as error:
        raise InvalidFile(path, f"cannot be read ({short(error)}); {AGAIN}") from error


def write_table(path: Path, frame: pl.DataFrame) -> None:
    """One Parquet file; it appears whole or not at all."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    write_atomic(path, buffer.getvalue())


def read_table(
    path: Path, columns: Columns, *, empty: Collection[str] = (), way_out: str = AGAIN
) -> pl.DataFrame:
    """The columns of a Parquet file in their types.

    Args:
        path: The file.
        columns: Name → type.
        empty: Columns that may be empty in some rows.
        way_out: What to do about a damaged file.

    Raises:
        InvalidFile: if it is missing, damaged, or as for ``typed``.
    """
    try:
        frame = pl.read_parquet(io.BytesIO(path.read_bytes()))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InvalidFile(path, f"cannot be read as Parquet ({short(error)}); {way_out}") from error
    return typed(path, frame, columns, empty=empty)


def typed(
    path: Path, frame: pl.DataFrame, columns: Columns, *, empty: Collection[str] = ()
) -> pl.DataFrame:
    """The columns of a table that is written to or was read from a file, in their types.

    Raises:
        InvalidFile: if one is missing, of another type, or empty where it may not be.
    """
    if missing := [name for name in columns if name not in frame.columns]:
        reason = f"lacks the column(s) {', '.join(missing)}; it needs {', '.join(columns)}"
        raise InvalidFile(path, reason)
    try:
        found = frame.select(pl.col(name).cast(kind) for name, kind in columns.items())
    except pl.exceptions.PolarsError as error:
        raise InvalidFile(path, f"has a column of another type ({short(error)})") from error
    for name in columns:
        if name not in empty and (count := found[name].null_count()):
            raise InvalidFile(path, f"column {name} is empty in {count} row(s); fill every row")
    return found


class Store:
    """Finished runs, each under the hash of what decides it.

    Args:
        folder: Where they lie.
        common: What all of them share, as JSON values.
    """

    def __init__(self, folder: Path, **common: Any) -> None:
        self.folder, self.common = folder, common

    def path(self, **decided: Any) -> Path:
        """Where the table of a run is kept."""
        key = canonical_json(self.common | decided)
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.parquet"


def short(error: Exception) -> str:
    """The first line of what a library says."""
    return str(error).split("\n", maxsplit=1)[0][:160]


def _faults(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}" for fault in error.errors()
    )
