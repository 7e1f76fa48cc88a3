"""Reading samples that a command is given."""

from pathlib import Path

import numpy as np

from neurorobust.errors import InvalidFile
from neurorobust.ir import Array


def read_samples(path: Path | str) -> Array:
    """The one array of a file ``.npy`` or ``.npz``, or its array ``samples``.

    Raises:
        InvalidFile: if the file cannot be read or holds several arrays without that name.
    """
    path = Path(path)
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            names = loaded.files
            if "samples" not in names and len(names) != 1:
                reason = f"holds {', '.join(names) or 'nothing'}; name one array 'samples'"
                raise InvalidFile(path, reason)
            array: Array = loaded["samples" if "samples" in names else names[0]]
            return array
    except (OSError, ValueError, EOFError) as error:
        raise InvalidFile(path, f"cannot be read as .npy or .npz ({error})") from error
