"""Reading what a command is given: a saved Graph or Program, a netx network."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from neurorobust.errors import InvalidInput
from neurorobust.ir import Graph, Model, Program, load_model


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
