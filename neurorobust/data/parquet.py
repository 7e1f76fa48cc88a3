"""Image data sets as Parquet in the layout of the Hugging Face hub: one image and label per row.

One column holds structs of ``bytes`` (an encoded file) and ``path``; another, whole numbers from 0,
the labels. Which they are is taken from what the hub wrote into the schema, or from the types.
"""

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from neurorobust.asking import give
from neurorobust.data.images import decode
from neurorobust.data.samples import LEVELS, Samples
from neurorobust.data.source import Source
from neurorobust.errors import InvalidFile
from neurorobust.files import require_file
from neurorobust.ir import Array

_NUMBER = re.compile(r"-\d.*$")
"""What follows the part in the name of a file."""


def load_folder(folder: Path, source: Source) -> Samples:
    """A part of a data set, ``test`` where none is named.

    Raises:
        InvalidFile: if the folder does not hold it, or as for ``read_images``.
    """
    part = source.part or "test"
    if files := part_files(folder, part):
        return replace(read_images(files, source), name=folder.name)
    listed = ", ".join(parts_of(folder))
    reason = f"holds no part {part!r}; it has {listed}, say which with {give(Source, 'part')}"
    raise InvalidFile(folder, reason)


def part_files(folder: Path | str, part: str) -> list[Path]:
    """The files of a part, sorted; none where the folder does not hold it.

    ``<part>-*.parquet`` or ``<part>.parquet``, in the folder or in its ``data``, or all Parquet
    below ``<part>``.
    """
    name = escape(part)
    for place in _places(Path(folder)):
        for pattern in (f"{name}-*.parquet", f"{name}.parquet", f"{name}/**/*.parquet"):
            if found := sorted(place.glob(pattern)):
                return found
    return []


def parts_of(folder: Path) -> tuple[str, ...]:
    """The parts that a folder holds, sorted."""
    found = set()
    for place in _places(folder):
        found |= {_NUMBER.sub("", path.stem) for path in place.glob("*.parquet")}
        below = (path.relative_to(place).parts for path in place.glob("*/**/*.parquet"))
        found |= {parts[0] for parts in below if place != folder or parts[0] != "data"}
    return tuple(sorted(found))


def _places(folder: Path) -> tuple[Path, Path]:
    return folder, folder / "data"


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns are what, and what the hub's loader is told of them."""

    image: str
    label: str | None
    mode: str | None
    classes: tuple[str, ...]


def read_images(files: Sequence[Path], source: Source) -> Samples:
    """The images of some files, in their order, up to the last that is wanted.

    Args:
        files: Parquet files, at least one.
        source: Columns, where the schema leaves a choice, and how many.

    Raises:
        InvalidFile: naming the file, and the row where one is to blame: other columns, rows without
            a label, a truncated file, or as for ``decode``.
        BackendUnavailable: if Pillow is not installed.
    """
    taken: list[tuple[Path, pl.DataFrame]] = []
    left, first = source.end, None
    for path in files:
        columns, rows = _rows(path, source, left)
        first = first or columns
        if columns != first:
            reason = f"has other columns, labels or modes than {files[0].name}; keep them apart"
            raise InvalidFile(path, reason)
        taken.append((path, rows))
        left = None if left is None else left - len(rows)
        if left == 0:
            break
    assert first is not None  # noqa: S101  # there is at least one file
    labels = [_labels(path, rows) for path, rows in taken if first.label is not None]
    images = (
        (path, f"row {row}: ", data)
        for path, rows in taken
        for row, data in enumerate(rows["bytes"])
    )
    pixels, formats = decode(images, sum(len(rows) for _, rows in taken), first.mode)
    return Samples(
        name=files[0].stem,
        raw=pixels,
        targets=np.concatenate(labels) if labels else None,
        levels=LEVELS,
        formats=formats,
        classes=first.classes,
    )


def _rows(path: Path, source: Source, limit: int | None) -> tuple[_Columns, pl.DataFrame]:
    """The columns, and the rows as ``bytes`` and, if there are labels, ``label``."""
    require_file(path, "a Parquet file of images", ("parquet",))
    try:
        file = io.BytesIO(path.read_bytes())
        schema, features = pl.read_parquet_schema(file), _features(file)
        columns = _columns(path, schema, features, source)
        wanted = [columns.image, *([] if columns.label is None else [columns.label])]
        rows = pl.read_parquet(file, columns=wanted, n_rows=limit)
    except (OSError, pl.exceptions.PolarsError) as error:
        first = str(error).split("\n", maxsplit=1)[0][:160]
        raise InvalidFile(path, f"cannot be read as Parquet ({first}); fetch it again") from error
    if rows.is_empty():
        raise InvalidFile(path, "holds no rows; leave it out")
    image = pl.col(columns.image)
    data = image if schema[columns.image] == pl.Binary else image.struct.field("bytes")
    label = [] if columns.label is None else [pl.col(columns.label).alias("label")]
    return columns, rows.select(data.alias("bytes"), *label)


def _features(file: io.BytesIO) -> dict[str, dict[str, Any]]:
    """What the hub wrote of each column; empty where it did not."""
    try:
        found = json.loads(pl.read_parquet_metadata(file)["huggingface"])["info"]["features"]
        return {name: one for name, one in found.items() if isinstance(one, dict)}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _columns(
    path: Path,
    schema: Mapping[str, pl.DataType],
    features: dict[str, dict[str, Any]],
    source: Source,
) -> _Columns:
    def of_kind(kind: str) -> list[str]:
        return [name for name in schema if features.get(name, {}).get("_type") == kind]

    structs = [name for name in schema if _holds_bytes(schema[name])]
    binary = [name for name in schema if schema[name] == pl.Binary]
    image = _chosen(path, schema, "image_column", source, of_kind("Image") or structs or binary)
    if image is None:
        reason = (
            f"has the columns {_listed(schema)}; none holds images: a struct with the field "
            "'bytes' (binary), as the Hugging Face hub writes them"
        )
        raise InvalidFile(path, reason)
    if not (_holds_bytes(schema[image]) or schema[image] == pl.Binary):
        reason = f"column {image} is {schema[image]}; needs a struct with 'bytes' (binary)"
        raise InvalidFile(path, reason)
    whole = [name for name in schema if schema[name].is_integer()]
    label = _chosen(path, schema, "label_column", source, of_kind("ClassLabel") or whole)
    if label is not None and not schema[label].is_integer():
        raise InvalidFile(path, f"column {label} is {schema[label]}; needs whole numbers")
    mode, names = features.get(image, {}).get("mode"), features.get(label or "", {}).get("names")
    return _Columns(
        image,
        label,
        mode if isinstance(mode, str) else None,
        tuple(map(str, names)) if isinstance(names, list) else (),
    )


def _chosen(
    path: Path, schema: Mapping[str, pl.DataType], field: str, source: Source, candidates: list[str]
) -> str | None:
    """The column that was named, or the only one that it can be; None where none can.

    Raises:
        InvalidFile: if the named one is not there, or several can be it.
    """
    named = getattr(source, field)
    if named is not None:
        if named not in schema:
            reason = f"has no column {named!r} ({give(Source, field)}); it has {_listed(schema)}"
            raise InvalidFile(path, reason)
        return str(named)
    if len(candidates) > 1:
        what = field.removesuffix("_column")
        ask = give(Source, field, candidates[0])
        reason = f"has several {what} columns: {', '.join(candidates)}; say which, as {ask}"
        raise InvalidFile(path, reason)
    return candidates[0] if candidates else None


def _holds_bytes(kind: Any) -> bool:
    return isinstance(kind, pl.Struct) and dict(kind).get("bytes") == pl.Binary


def _listed(schema: Mapping[str, pl.DataType]) -> str:
    return ", ".join(schema) or "none"


def _labels(path: Path, rows: pl.DataFrame) -> Array:
    label = rows["label"]
    without = label.is_null() | (label < 0).fill_null(value=True)
    if count := int(without.sum()):
        reason = (
            f"{count} of {len(rows)} rows have no label (empty or below 0), the first is row "
            f"{int(without.arg_max() or 0)}; use a part with labels"
        )
        raise InvalidFile(path, reason)
    found: Array = label.cast(pl.Int64).to_numpy()
    return found
