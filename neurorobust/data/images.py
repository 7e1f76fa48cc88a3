"""Encoded images → pixels, as the loader of the Hugging Face hub decodes them.

That is Pillow's ``open``, the orientation of EXIF applied, and the mode that the data set declares,
if it declares one. Nothing is resized, cropped or converted beyond that.
"""

import io
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np

from neurorobust.errors import BackendUnavailable, InvalidFile
from neurorobust.ir import Array

FORMATS = ("JPEG", "PNG", "WEBP")
"""File formats that are decoded; the decoders of others are not reached."""
CHANNELS = {"L": 1, "RGB": 3}
"""Channels by the mode of a decoded image."""
_STRANGE = {
    "1": "black and white (mode 1)",
    "P": "a palette (mode P), whose numbers are no brightness",
    "PA": "a palette with transparency (mode PA)",
    "LA": "grey with transparency (mode LA)",
    "La": "grey with transparency (mode La)",
    "RGBA": "RGB with transparency (mode RGBA)",
    "RGBa": "RGB with transparency (mode RGBa)",
    "CMYK": "four inks (mode CMYK)",
    "F": "real numbers (mode F)",
    **{mode: f"more than 8 bits (mode {mode})" for mode in ("I", "I;16", "I;16B", "I;16L")},
}


def decode(
    images: Iterable[tuple[Path, str, bytes | None]], count: int, mode: str | None = None
) -> tuple[Array, tuple[str, ...]]:
    """Pixels (B, 1, H, W) of grey or (B, 3, H, W) of RGB images, and the formats, sorted.

    Args:
        images: File, place in it (as ``row 3: ``, or nothing) and bytes of each.
        count: Their number, at least 1.
        mode: Of Pillow, that the data set declares.

    Raises:
        InvalidFile: naming file and place: an image that cannot be decoded, of more or less than 8
            bits, with a palette or transparency, or that differs in size or mode from the first.
        BackendUnavailable: if Pillow is not installed.
    """
    pixels: Array | None = None
    formats = set()
    for index, (path, place, data) in enumerate(images):
        image, kind = _decode(path, place, data, mode)
        formats.add(kind)
        if pixels is None:
            pixels = np.empty((count, *image.shape), np.uint8)
        if image.shape != pixels.shape[1:]:
            reason = (
                f"{place}image is {_size(image.shape)}, those before are "
                f"{_size(pixels.shape[1:])}; save all in one mode and size"
            )
            raise InvalidFile(path, reason)
        pixels[index] = image
    assert pixels is not None  # noqa: S101  # there is at least one
    return pixels, tuple(sorted(formats))


def _size(shape: tuple[int, ...]) -> str:
    channels, height, width = shape
    return f"{'grey' if channels == 1 else 'RGB'}, {width} x {height} pixels"


def _decode(path: Path, place: str, data: bytes | None, mode: str | None) -> tuple[Array, str]:
    """Pixels (C, H, W) and the format."""
    if data is None:
        raise InvalidFile(path, f"{place}holds no image bytes; embed the images in the file")
    try:
        from PIL import ExifTags, Image, ImageOps
    except ImportError as error:
        msg = "decoding images needs Pillow: pip install 'neurorobust[images]'"
        raise BackendUnavailable(msg) from error
    broken: Any = (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            opened.load()
            kind, image = str(opened.format), cast("Image.Image", opened)
            if opened.getexif().get(ExifTags.Base.Orientation) is not None:
                image = ImageOps.exif_transpose(opened)
            if mode is not None and mode != image.mode:
                image = image.convert(mode)
            found, pixels = image.mode, np.asarray(image)
    except broken as error:
        listed = ", ".join(FORMATS)
        reason = f"{place}image cannot be decoded ({error}); give a whole {listed} file"
        raise InvalidFile(path, reason) from error
    if found not in CHANNELS:
        what = _STRANGE.get(found, f"the mode {found}")
        reason = f"{place}image has {what}; save it as 8-bit grey (L) or RGB"
        raise InvalidFile(path, reason)
    return np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)), kind
