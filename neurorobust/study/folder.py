"""The folder of a study: tables, pictures, and a manifest that is written last.

With its manifest a folder is whole. A report needs nothing that is not in the folder.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from neurorobust.errors import InvalidFile
from neurorobust.files import write_atomic
from neurorobust.ir import Array
from neurorobust.study import tables
from neurorobust.study.tables import Columns

MANIFEST, REPORT, PICTURES = "study.json", "report.html", "pictures.npz"
TABLES: Mapping[str, Columns] = {
    "rows": tables.ROWS,
    "outcomes": tables.OUTCOMES,
    "agreement": tables.AGREEMENT,
    "cells": tables.CELLS,
}
OPEN = "open"
"""The status of what has not run yet."""
AGAIN = "run the study again, or copy the whole folder"


class Part(BaseModel):
    """Of a manifest; unknown keys stay, so nothing that a later version says is thrown away."""

    model_config = ConfigDict(extra="allow", frozen=True)


class ModelInfo(Part):
    """A network as it was given.

    Attributes:
        label: As tables name it.
        named: As it was given: a file, ``file.py:name`` or a name.
        name: As it names itself.
        content_hash: Of all of it.
        kind: ``Graph`` or ``Program``.
        nodes: Kind of each node by name, in the order of execution.
        spiking: Names of the spiking nodes.
        coding: Of the input.
        bounds: Of the input.
        levels: Of the sensor; None for any value.
        steps: Of a sample.
        classes: How many it decides between.
        card: What its maker says of it: accuracy, training.
        provenance: Where it is from, and what was decided when it was read.
    """

    label: str
    named: str = ""
    name: str = ""
    content_hash: str = ""
    kind: str = "Graph"
    nodes: dict[str, str] = Field(default_factory=dict)
    spiking: list[str] = Field(default_factory=list)
    coding: str = "direct"
    bounds: tuple[float, float] = (0.0, 1.0)
    levels: int | None = None
    steps: int = 0
    classes: int = 0
    card: dict[str, Any] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)


class ProfileInfo(Part):
    """A hardware profile that was lowered to."""

    id: str
    name: str = ""
    file: str = ""
    sha256: str = ""


class ProgramInfo(Part):
    """A network in a chip's integers, or why it has no form there.

    Attributes:
        model: Label of the network it was lowered from.
        profile: Id of the target.
        weight_bits: As asked; None for the profile's own.
        scaling: Rule by which scales were chosen.
        decay_bits: As asked; None for the profile's own.
        content_hash: Empty where it was refused.
        status: ``done``, ``refused`` or ``failed``.
        reason: Why not.
        report: One row per layer: scale, bits, errors.
    """

    model: str
    profile: str
    weight_bits: int | None = None
    scaling: str = ""
    decay_bits: int | None = None
    content_hash: str = ""
    status: str = "done"
    reason: str = ""
    report: list[dict[str, Any]] = Field(default_factory=list)


class DataInfo(Part):
    """Samples of all rates."""

    name: str
    part: str = ""
    n: int = 0
    first: int = 0
    digest: str = ""
    shape: list[int] = Field(default_factory=list)
    classes: int | None = None
    bounds: tuple[float, float] | None = None
    levels: int | None = None
    formats: list[str] = Field(default_factory=list)
    note: str = ""
    calibration: dict[str, Any] | None = None


class LaneInfo(Part):
    """One backend on one rung with one model: it ran, or the reason why not.

    Attributes:
        model: Label of the network.
        program: Start of the hash of the Program; empty on the rung float.
        status: ``done``, ``refused``, ``unavailable`` or ``failed``.
        samples: Runs of a sample, over all sets.
        deviations: Declared differences from the model's exact semantics.
    """

    model: str
    backend: str
    rung: str
    execution: str = "clocked"
    profile: str = ""
    program: str = ""
    status: str = "done"
    reason: str = ""
    samples: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    deviations: list[str] = Field(default_factory=list)


class SetInfo(Part):
    """One frozen attack set, or why there is none.

    Attributes:
        set: Start of its hash, as in the tables.
        model: Label of the network it was crafted on.
        crafted_on: Start of the hash of what the attacker saw.
        rung: ``float`` if that was a Graph, ``quantised`` if it was a Program.
        success: Samples fooled when crafted, of ``right``.
        queries: Forward passes per sample, mean; ``gradients`` backward passes.
        status: ``done``, ``refused`` or ``failed``.
        reason: Why there is none.
        file: Beside the manifest, if it was kept.
        bytes: Of the file.
        request: All that decided it.
    """

    set: str = ""
    content_hash: str = ""
    model: str = ""
    crafted_on: str = ""
    rung: str = "float"
    attack: str = ""
    gradient: str = ""
    knowledge: str = ""
    threat: str = ""
    epsilon: float = 0.0
    seed: int = 0
    n: int = 0
    right: int = 0
    fooled: int = 0
    queries: float | None = None
    gradients: float | None = None
    cpu_s: float | None = None
    status: str = "done"
    reason: str = ""
    file: str = ""
    bytes: int | None = None
    request: dict[str, Any] = Field(default_factory=dict)


class PictureInfo(Part):
    """A sample that an attack fools: arrays ``clean/<i>`` and ``adversarial/<i>`` of the pictures.

    The spikes of the first one are in ``raster/clean/<node>`` and ``raster/adversarial/<node>``.
    """

    model: str = ""
    set: str = ""
    attack: str = ""
    gradient: str = ""
    epsilon: float = 0.0
    sample: int = 0
    label: int = 0
    clean_decision: int = 0
    adversarial_decision: int = 0


class StageInfo(Part):
    """A step of the run."""

    name: str
    wall_s: float


class Failure(Part):
    """A cell that did not come to its end."""

    cell: str
    what: str
    status: str
    reason: str
    attempts: int = 0


class Manifest(Part):
    """The whole of ``study.json``.

    Attributes:
        title: For people.
        preset: The command that made it: ``run``, ``attack``, ``quantise``, ``replay``, ``demo``.
        command: As typed.
        created: In UTC, ISO 8601.
        wall_s: Seconds of the last run; ``cpu_s`` of all cells.
        study: The whole study file, as it was understood.
        cells: How many cells ended in which status.
        checks: One per network and chip: ``{model, profile, check}``, the last as
            ``neurorobust check --json`` gives it.
        audits: One per audited network: ``{model, set, card}`` with the card as JSON, or
            ``{model, withheld}`` with the reason why there is none.
    """

    title: str
    preset: str = "run"
    command: str = ""
    created: str = ""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    seed: int = 0
    study: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, dict[str, str]] = Field(default_factory=dict)
    hardware: dict[str, Any] = Field(default_factory=dict)
    models: list[ModelInfo] = Field(default_factory=list)
    profiles: list[ProfileInfo] = Field(default_factory=list)
    programs: list[ProgramInfo] = Field(default_factory=list)
    data: list[DataInfo] = Field(default_factory=list)
    lanes: list[LaneInfo] = Field(default_factory=list)
    sets: list[SetInfo] = Field(default_factory=list)
    checks: list[dict[str, Any]] = Field(default_factory=list)
    audits: list[dict[str, Any]] = Field(default_factory=list)
    pictures: list[PictureInfo] = Field(default_factory=list)
    stages: list[StageInfo] = Field(default_factory=list)
    cells: dict[str, int] = Field(default_factory=dict)
    failures: list[Failure] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """All that a study found.

    Attributes:
        manifest: What was run, from what, with what.
        rows: One row per run: rates and counts.
        outcomes: One row per run and sample.
        agreement: One row per run and compared node.
        cells: One row per cell.
        pictures: Arrays by name; see ``PictureInfo``.
    """

    manifest: Manifest
    rows: pl.DataFrame
    outcomes: pl.DataFrame
    agreement: pl.DataFrame
    cells: pl.DataFrame
    pictures: Mapping[str, Array] = field(default_factory=dict)


def write(folder: Path | str, found: Results) -> Path:
    """Write a folder; the manifest comes last, so that it marks a whole folder.

    Returns:
        The manifest.

    Raises:
        InvalidFile: if a table breaks its rules or the folder cannot be written.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    text = json.dumps(found.manifest.model_dump(mode="json"), indent=1, ensure_ascii=False)
    path.unlink(missing_ok=True)
    for name, columns in TABLES.items():
        at = folder / f"{name}.parquet"
        write_table(at, typed(at, getattr(found, name), columns))
    buffer = io.BytesIO()
    # mypy reads a mapping unpacked here as the flag allow_pickle
    np.savez_compressed(buffer, **dict(found.pictures))  # type: ignore[arg-type]
    write_atomic(folder / PICTURES, buffer.getvalue())
    return write_atomic(path, text + "\n")


def read(folder: Path | str) -> Results:
    """Read a folder and check it.

    Raises:
        InvalidFile: if a file is missing, damaged or breaks its rules.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InvalidFile(folder, "is no folder; give the folder of a study")
    path = folder / MANIFEST
    if not path.is_file():
        reason = "is missing, so this is no folder of a study, or one that has not come to its end"
        raise InvalidFile(path, f"{reason}; {AGAIN}")
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InvalidFile(path, f"cannot be read ({said(error)}); {AGAIN}") from error
    found = {
        name: read_table(folder / f"{name}.parquet", columns) for name, columns in TABLES.items()
    }
    return Results(manifest, **found, pictures=_pictures(folder / PICTURES))


def write_table(path: Path, frame: pl.DataFrame) -> None:
    """One Parquet file; it appears whole or not at all."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    write_atomic(path, buffer.getvalue())


def read_table(path: Path, columns: Columns) -> pl.DataFrame:
    """The columns of a Parquet file in their types.

    Raises:
        InvalidFile: if it is missing, damaged, or lacks a column.
    """
    try:
        frame = pl.read_parquet(io.BytesIO(path.read_bytes()))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InvalidFile(path, f"cannot be read as Parquet ({said(error)}); {AGAIN}") from error
    return typed(path, frame, columns)


def typed(path: Path, frame: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """The columns of a table in their types.

    Raises:
        InvalidFile: if one is missing or of another type.
    """
    if missing := [name for name in columns if name not in frame.columns]:
        reason = f"lacks the column(s) {', '.join(missing)}; it needs {', '.join(columns)}"
        raise InvalidFile(path, reason)
    try:
        return frame.select(pl.col(name).cast(kind) for name, kind in columns.items())
    except pl.exceptions.PolarsError as error:
        raise InvalidFile(path, f"has a column of another type ({said(error)})") from error


def said(error: Exception) -> str:
    """What a library says, in one line."""
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}"
            for fault in error.errors()
        )
    return str(error).split("\n", maxsplit=1)[0][:160]


def _pictures(path: Path) -> dict[str, Array]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidFile(path, f"cannot be read as npz ({said(error)}); {AGAIN}") from error
