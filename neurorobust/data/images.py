"""Image data sets as Parquet in the layout of the Hugging Face hub: one image and label per row.

The column ``img`` or ``image`` holds structs of ``bytes`` (an encoded file) and ``path``, the
column ``label`` whole numbers from 0. Nothing is resized, cropped or converted.
"""

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from neurorobust.data.samples import LEVELS, Samples
from neurorobust.errors import BackendUnavailable, InvalidFile, InvalidInput
from neurorobust.ir import Array

IMAGE_COLUMNS = ("img", "image")
LABEL_COLUMN = "label"
FORMATS = ("JPEG", "PNG", "WEBP")
"""File formats that are decoded; the decoders of others are not reached."""
CHANNELS = {"L": 1, "RGB": 3}
"""Channels by the mode of a decoded image."""
BATCH = 1000
"""Images decoded at once."""


def load_images(folder: Path | str, part: str, *, limit: int | None = None) -> Samples:
    """A part of a data set: the files ``<part>-*.parquet`` in a folder, or in its ``data``.

    Args:
        folder: Where the files are.
        part: ``train`` or ``test``, or as the data set names it.
        limit: Number of images, the first ones; all by default.

    Raises:
        InvalidFile: if there is no such file, or as for ``read_images``.
    """
    if files := part_files(folder, part):
        return replace(read_images(files, limit=limit), name=Path(folder).name)
    reason = f"holds no {part}-*.parquet; give the folder of a data set in Parquet files"
    raise InvalidFile(folder, reason)


def part_files(folder: Path | str, part: str) -> list[Path]:
    """The files of a part of a data set, sorted; none where the folder does not hold it."""
    found = (sorted(at.glob(f"{part}-*.parquet")) for at in (Path(folder), Path(folder) / "data"))
    return next(filter(None, found), [])


def read_images(files: Sequence[Path | str], *, limit: int | None = None) -> Samples:
    """The images of some files, in their order.

    Args:
        files: Parquet files, at least one.
        limit: Number of images, the first ones, at least 1; all by default.

    Returns:
        Pixels (B, 1, H, W) of grey or (B, 3, H, W) of RGB images.

    Raises:
        InvalidFile: naming the file, and the row where one is to blame: other columns, no labels,
            a truncated file, an image that cannot be decoded or differs in size from the first.
        InvalidInput: for no file or a limit below 1.
        BackendUnavailable: if Pillow is not installed.
    """
    if not files or (limit is not None and limit < 1):
        msg = f"asked for {limit} image(s) of {len(files)} file(s); give at least one of each"
        raise InvalidInput(msg)
    pixels: list[Array] = []
    labels: list[Array] = []
    formats: set[str] = set()
    shape: tuple[int, ...] | None = None
    left = limit
    for path in map(Path, files):
        rows = _rows(path, left)
        labels.append(_labels(path, rows))
        for batch in _decoded(path, rows, shape, formats):
            pixels.append(batch)
            shape = batch.shape[1:]
        left = None if left is None else left - len(rows)
        if left == 0:
            break
    return Samples(
        name=Path(files[0]).stem,
        raw=np.concatenate(pixels),
        targets=np.concatenate(labels),
        levels=LEVELS,
        formats=tuple(sorted(formats)),
    )


def _rows(path: Path, limit: int | None) -> pl.DataFrame:
    """Columns ``bytes`` and ``label``."""
    try:
        file = io.BytesIO(path.read_bytes())
        schema = pl.read_parquet_schema(file)
        image = next((name for name in IMAGE_COLUMNS if name in schema), None)
        if image is None or LABEL_COLUMN not in schema:
            reason = (
                f"has the columns {', '.join(schema) or 'none'}; needs "
                f"{' or '.join(IMAGE_COLUMNS)}, and {LABEL_COLUMN}"
            )
            raise InvalidFile(path, reason)
        kind = schema[image]
        if not isinstance(kind, pl.Struct) or dict(kind).get("bytes") != pl.Binary:
            reason = f"column {image} is {kind}; needs a struct with the field 'bytes' (binary)"
            raise InvalidFile(path, reason)
        if not schema[LABEL_COLUMN].is_integer():
            reason = f"column {LABEL_COLUMN} is {schema[LABEL_COLUMN]}; needs whole numbers"
            raise InvalidFile(path, reason)
        rows = pl.read_parquet(file, columns=[image, LABEL_COLUMN], n_rows=limit)
    except (OSError, pl.exceptions.PolarsError) as error:
        first = str(error).split("\n", maxsplit=1)[0][:160]
        raise InvalidFile(path, f"cannot be read as Parquet ({first}); fetch it again") from error
    if rows.is_empty():
        raise InvalidFile(path, "holds no rows; leave it out")
    return rows.select(pl.col(image).struct.field("bytes"), pl.col(LABEL_COLUMN).alias("label"))


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


def _decoded(
    path: Path, rows: pl.DataFrame, shape: tuple[int, ...] | None, formats: set[str]
) -> Iterator[Array]:
    """Batches of pixels (B, C, H, W), all of one shape; collects the formats."""
    for start in range(0, len(rows), BATCH):
        images: list[Array] = []
        for row, data in enumerate(rows["bytes"][start : start + BATCH], start):
            image, kind = _decode(path, row, data)
            shape = shape or image.shape
            if image.shape != shape:
                reason = f"row {row}: image is {image.shape}, those before are {shape}; resize them"
                raise InvalidFile(path, reason)
            images.append(image)
            formats.add(kind)
        yield np.stack(images)


def _decode(path: Path, row: int, data: bytes | None) -> tuple[Array, str]:
    """Pixels (C, H, W) and the format."""
    if data is None:
        raise InvalidFile(path, f"row {row}: holds no image bytes; embed the images in the file")
    try:
        from PIL import Image
    except ImportError as error:
        msg = "decoding images needs Pillow: pip install 'neurorobust[images]'"
        raise BackendUnavailable(msg) from error
    broken: Any = (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            mode, kind = image.mode, str(image.format)
            pixels = np.asarray(image)
    except broken as error:
        listed = ", ".join(FORMATS)
        reason = f"row {row}: image cannot be decoded ({error}); give a whole {listed} file"
        raise InvalidFile(path, reason) from error
    if mode not in CHANNELS:
        reason = f"row {row}: image has the mode {mode}; save it as 8-bit grey (L) or RGB"
        raise InvalidFile(path, reason)
    return np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)), kind
