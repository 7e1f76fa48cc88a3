"""Images in folders by class: ``root/part/class/image.png``, or ``root/class/image.png``."""

from pathlib import Path

import numpy as np

from neurorobust.asking import give
from neurorobust.data.images import FORMATS, decode
from neurorobust.data.samples import LEVELS, Samples
from neurorobust.data.source import Source
from neurorobust.errors import InvalidFile

ENDINGS = (".jpeg", ".jpg", ".png", ".webp")
"""Of images that are decoded, in small or capital letters."""
_OTHER = (".avif", ".bmp", ".gif", ".heic", ".jp2", ".pgm", ".ppm", ".tif", ".tiff")


def load_folder(folder: Path, source: Source) -> Samples:
    """A part, ``test`` where none is named; or all, where the folder has no parts.

    Classes are the names of folders, sorted, over all parts. Images come one of each class in turn,
    by the names of their files, so that the first ones are of all classes.

    Raises:
        InvalidFile: if the folder does not hold it, or holds images that are in no class or are not
            read here; or as for ``decode``.
        BackendUnavailable: if Pillow is not installed.
    """
    parts = parts_of(folder)
    if not parts and source.part is not None:
        reason = f"has no parts, and so no {source.part!r}; leave out {give(Source, 'part')}"
        raise InvalidFile(folder, reason)
    part = source.part or "test"
    if parts and part not in parts:
        listed = ", ".join(parts)
        reason = f"holds no part {part!r}; it has {listed}, say which with {give(Source, 'part')}"
        raise InvalidFile(folder, reason)
    place = folder / part if parts else folder
    within = [folder / one for one in parts] or [folder]
    classes = tuple(sorted({one.name for root in within for one in _classes(root)}))
    if stray := next(iter(_pictures(place)), None):
        raise InvalidFile(stray, "lies beside the folders of the classes; put it into one")
    turns = [
        (turn, label, path)
        for label, name in enumerate(classes)
        for turn, path in enumerate(_images(place / name))
    ]
    taken = sorted(turns)[: source.end]
    if not taken:
        reason = "holds no images; put those of each class in a folder of its own"
        raise InvalidFile(place, reason)
    pixels, formats = decode(((path, "", _read(path)) for *_, path in taken), len(taken))
    return Samples(
        name=folder.name,
        raw=pixels,
        targets=np.array([label for _, label, _ in taken], np.int64),
        levels=LEVELS,
        formats=formats,
        classes=classes,
    )


def parts_of(folder: Path) -> tuple[str, ...]:
    """The folders within that have classes of their own, sorted; none if this one has them.

    Raises:
        InvalidFile: if it has both.
    """
    parts = tuple(one.name for one in _folders(folder) if _classes(one))
    classes = [one for one in _classes(folder) if one.name not in parts]
    if classes and parts:
        reason = (
            f"holds images in {classes[0].name} and folders of images in {parts[0]}; give every "
            "class one folder, without folders in it"
        )
        raise InvalidFile(folder, reason)
    return parts


def _classes(folder: Path) -> list[Path]:
    return [one for one in _folders(folder) if _pictures(one)]


def _folders(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.is_dir() and not _hidden(one))


def _pictures(folder: Path) -> list[Path]:
    """Files that look like images, whether or not they are decoded here."""
    known = (*ENDINGS, *_OTHER)
    return sorted(
        one for one in folder.iterdir() if one.suffix.lower() in known and not _hidden(one)
    )


def _hidden(path: Path) -> bool:
    return path.name.startswith((".", "__"))


def _images(folder: Path) -> list[Path]:
    """Of one class; none where a part lacks it."""
    found = _pictures(folder) if folder.is_dir() else []
    for path in found:
        if path.suffix.lower() in _OTHER:
            raise InvalidFile(path, f"is not decoded here; save it as {', '.join(FORMATS)}")
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidFile(path, f"cannot be read ({error.strerror})") from error
