"""The one door to samples: the digits, arrays, images in Parquet, images in folders by class."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from neurorobust.asking import give
from neurorobust.data.samples import Samples
from neurorobust.data.source import DIGITS, Source
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.files import require_file
from neurorobust.ir import Array
from neurorobust.names import known_name

_WANTED = "a file of arrays (.npz, .npy), image Parquet (a file or folder), a folder of images"
_KNOWN = f"give {DIGITS} or {_WANTED}"
_ARRAYS = (".npy", ".npz")


def load(source: Source | str | Path, part: str | None = None, **said: Any) -> Samples:
    """Samples by the name or path of what holds them.

    Args:
        source: ``digits``; a file ``.npz`` with samples ``x`` (B, ...) and labels ``y`` (B,), or
            with one array or one named ``samples``; a ``.npy``; images in Parquet, one file or the
            folder of a data set; or a folder of images by class. Or a Source, which says more.
        part: ``train`` or ``test``, or as the data set names it; None takes ``test``, or all of
            what has no parts.
        said: Further fields of ``Source``: first, limit, bounds, levels, image_column,
            label_column, seed.

    Raises:
        InvalidFile: if a file is missing or damaged, or a folder does not hold the part.
        InvalidInput: if nothing was named, or the samples end before the first.
        BackendUnavailable: if a library that reads them is not installed.
    """
    if part is not None:
        said["part"] = part
    source = replace(source, **said) if isinstance(source, Source) else Source(source, **said)
    if source.name is None:
        raise InvalidInput(f"no data are named; {_KNOWN}, with {give(Source, 'name')}")
    found = replace(_read(source), bounds=source.bounds)
    if Path(source.name).suffix not in _ARRAYS:  # whose levels say what they count
        found = replace(found, grid=source.levels)
    if source.first and source.first >= len(found):
        count = f"{found.name} has {len(found)} samples"
        raise InvalidInput(
            f"{count}, so none from index {source.first}; give a smaller {give(Source, 'first')}"
        )
    return found[source.first : source.end]


def parts_of(name: str | Path) -> tuple[str, ...]:
    """The parts of a data set, sorted; none of a file, or of what has no parts."""
    path = Path(name)
    if str(name) == DIGITS:
        return ("test", "train")
    if not path.is_dir():
        return ()
    from neurorobust.data import folders, parquet

    return parquet.parts_of(path) or folders.parts_of(path)


def _read(source: Source) -> Samples:
    """All up to the last that is wanted."""
    assert source.name is not None  # noqa: S101  # load refuses it
    path = Path(source.name)
    if str(source.name) == DIGITS:
        from neurorobust.data.digits import load_digits

        parts = dict(zip(("train", "test"), load_digits(seed=source.seed), strict=True))
        return parts[known_name(source.part or "test", parts, "part of the digits")]
    if path.is_dir():
        from neurorobust.data import folders, parquet

        if parquet.parts_of(path):
            return parquet.load_folder(path, source)
        return folders.load_folder(path, source)
    require_file(path, _WANTED, ("npy", "npz", "parquet"), instead=DIGITS)
    if source.part is not None:
        reason = f"has no parts, and so no {source.part!r}; leave out {give(Source, 'part')}"
        raise InvalidFile(path, reason)
    if path.suffix in _ARRAYS:
        return _arrays(path, source)
    if path.suffix == ".parquet":
        from neurorobust.data.parquet import read_images

        return read_images([path], source)
    raise InvalidFile(path, f"is no data that are read here; {_KNOWN}")


def _arrays(path: Path, source: Source) -> Samples:
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return _unlabelled(path, loaded, source.levels)
            names = loaded.files
            if {"x", "y"} <= set(names):
                return _labelled(path, loaded["x"], loaded["y"], source.levels)
            if "samples" in names or len(names) == 1:
                one = loaded["samples" if "samples" in names else names[0]]
                return _unlabelled(path, one, source.levels)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InvalidFile(path, f"cannot be read as .npy or .npz ({error})") from error
    reason = (
        f"holds {', '.join(names) or 'nothing'}; name one array 'samples', or write it with "
        "numpy.savez(path, x=x, y=y)"
    )
    raise InvalidFile(path, reason)


def _unlabelled(path: Path, samples: Array, levels: int | None) -> Samples:
    if not samples.ndim:
        raise InvalidFile(path, "holds a single number; give samples (B, ...)")
    return Samples(path.stem, samples, levels=_counted(path, samples, levels))


def _labelled(path: Path, x: Array, y: Array, levels: int | None) -> Samples:
    whole = y.ndim == 1 and np.issubdtype(y.dtype, np.integer)
    if not whole or not len(y) or x.ndim < 2 or len(x) != len(y) or x.dtype.kind not in "biuf":
        reason = (
            f"holds x of {x.dtype} {x.shape} and y of {y.dtype} {y.shape}; give numbers (B, ...) "
            "and a whole label for each of at least one sample"
        )
        raise InvalidFile(path, reason)
    counted = _counted(path, x, levels)
    raw = x.astype(np.float64) if counted is None else x
    return Samples(path.stem, raw, y.astype(np.int64), levels=counted)


def _counted(path: Path, values: Array, levels: int | None) -> int | None:
    """The levels, where an array holds whole numbers that count them; values are as they are."""
    if levels is None or values.dtype.kind not in "iu":
        return None
    if values.size and (values.min() < 0 or values.max() >= levels):
        reason = (
            f"holds whole numbers {values.min()}..{values.max()}; "
            f"{give(Source, 'levels', levels)} takes 0..{levels - 1}"
        )
        raise InvalidFile(path, reason)
    return levels
