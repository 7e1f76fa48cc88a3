"""Labelled samples of any shape in one NumPy file: the arrays ``x`` and ``y``."""

from pathlib import Path

import numpy as np

from neurorobust.errors import InvalidFile
from neurorobust.ir import Array


def load_arrays(path: Path | str) -> tuple[Array, Array]:
    """Samples ``x`` (B, ...) and labels ``y`` (B,) of a file ``.npz``.

    Raises:
        InvalidFile: if it cannot be read, lacks an array, or the arrays do not fit each other.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            x, y = file["x"], file["y"]
    except (OSError, ValueError, EOFError, KeyError) as error:
        reason = f"holds no arrays x and y ({error}); write it with numpy.savez(path, x=x, y=y)"
        raise InvalidFile(path, reason) from error
    whole = y.ndim == 1 and np.issubdtype(y.dtype, np.integer)
    if not whole or not len(y) or x.ndim < 2 or len(x) != len(y) or x.dtype.kind not in "biuf":
        reason = (
            f"holds x of {x.dtype} {x.shape} and y of {y.dtype} {y.shape}; give numbers (B, ...) "
            "and a whole label for each of at least one sample"
        )
        raise InvalidFile(path, reason)
    return x.astype(np.float64), y.astype(np.int64)
