"""Data sets of images as Parquet files, written for tests."""

import io

import polars as pl


def encoded(pixels, kind="PNG", **options) -> bytes:
    """Pixels (H, W) or (H, W, C) as a file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind, **options)
    return buffer.getvalue()


def written(path, files, labels, *, image="img", label="label", **columns):
    """Encoded images and labels in the layout of the Hugging Face hub."""
    rows = [{"bytes": data, "path": f"{i}.png"} for i, data in enumerate(files)]
    kind = pl.Struct({"bytes": pl.Binary, "path": pl.String})
    frame = pl.DataFrame({image: pl.Series(rows, dtype=kind), label: labels, **columns})
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path)
    return path
