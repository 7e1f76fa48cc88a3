"""The one door to samples: the digits, a file of arrays, a folder of images."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from neurorobust.data.samples import Samples
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.ir import Array
from neurorobust.names import known_name

DIGITS = "digits"
"""Names the built-in data, and the model that is trained on them."""


def load(
    name: str | Path,
    part: str = "test",
    *,
    first: int = 0,
    limit: int | None = None,
    seed: int = 0,
) -> Samples:
    """Samples by the name or path of what holds them.

    Args:
        name: ``digits``; a folder of image Parquet files; a file ``.npz`` with samples ``x`` (B,
            ...) and labels ``y`` (B,), or with one array or one named ``samples``; or a ``.npy``.
        part: ``train`` or ``test``, or as the data set names it; a file of arrays is all ``test``.
        first: Index of the first sample.
        limit: Number of samples; all by default.
        seed: Of the split of the digits.

    Raises:
        InvalidFile: if a file is missing or damaged, or a folder does not hold the part.
        InvalidInput: if the samples end before the first.
        BackendUnavailable: if a library that reads them is not installed.
    """
    path, end = Path(name), None if limit is None else first + limit
    if str(name) == DIGITS:
        from neurorobust.data.digits import load_digits

        parts = dict(zip(("train", "test"), load_digits(seed=seed), strict=True))
        found = parts[known_name(part, parts, "part of the digits")]
    elif path.suffix in (".npy", ".npz"):
        found = _arrays(path, part)
    else:
        from neurorobust.data.images import load_images

        found = load_images(path, part, limit=end)
    if first and first >= len(found):
        count = f"{found.name} has {len(found)} samples"
        raise InvalidInput(f"{count}, so none from index {first}; give a smaller --first")
    return found[first:end]


def _arrays(path: Path, part: str) -> Samples:
    if part != "test":
        raise InvalidFile(path, f"holds test samples alone, and so no part {part!r}")
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return _unlabelled(path, loaded)
            names = loaded.files
            if {"x", "y"} <= set(names):
                return _labelled(path, loaded["x"], loaded["y"])
            if "samples" in names or len(names) == 1:
                return _unlabelled(path, loaded["samples" if "samples" in names else names[0]])
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InvalidFile(path, f"cannot be read as .npy or .npz ({error})") from error
    reason = (
        f"holds {', '.join(names) or 'nothing'}; name one array 'samples', or write it with "
        "numpy.savez(path, x=x, y=y)"
    )
    raise InvalidFile(path, reason)


def _unlabelled(path: Path, samples: Array) -> Samples:
    if not samples.ndim:
        raise InvalidFile(path, "holds a single number; give samples (B, ...)")
    return Samples(path.stem, samples)


def _labelled(path: Path, x: Array, y: Array) -> Samples:
    whole = y.ndim == 1 and np.issubdtype(y.dtype, np.integer)
    if not whole or not len(y) or x.ndim < 2 or len(x) != len(y) or x.dtype.kind not in "biuf":
        reason = (
            f"holds x of {x.dtype} {x.shape} and y of {y.dtype} {y.shape}; give numbers (B, ...) "
            "and a whole label for each of at least one sample"
        )
        raise InvalidFile(path, reason)
    return Samples(path.stem, x.astype(np.float64), y.astype(np.int64))
