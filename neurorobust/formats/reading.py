"""Reading what a command is given: a saved Graph or Program, a netx network, samples."""

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.ir import Array, Graph, Model, Program, load_model


def read_model(path: Path | str, steps: int | None = None) -> Model:
    """A Graph or Program, whichever the file holds; ``*.net`` is read as a netx network.

    Args:
        path: The file.
        steps: Time steps of a sample, which a netx file does not say.

    Raises:
        InvalidFile: if the file is missing, truncated, foreign or altered.
        InvalidInput: if a netx network comes without steps, or another with.
    """
    path = Path(path)
    if path.suffix == ".net":
        from neurorobust.formats.netx import load_netx

        if steps is None:
            msg = f"{path}: a netx file does not say how many steps a sample lasts; give steps"
            raise InvalidInput(msg)
        return load_netx(path, steps=steps)
    if steps is not None:
        msg = f"{path}: a saved model says how many steps it runs; steps are for .net files"
        raise InvalidInput(msg)
    return load_model(path, Program if _holds(path) == "Program" else Graph)


def _holds(path: Path) -> str:
    """What the file says it holds; nothing if it says nothing (``load_model`` will tell)."""
    try:
        with safe_open(path, framework="numpy") as file:
            described = json.loads((file.metadata() or {}).get("neurorobust", "{}"))
    except (OSError, SafetensorError, ValueError):
        return ""
    return str(described.get("model", "")) if isinstance(described, dict) else ""


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
