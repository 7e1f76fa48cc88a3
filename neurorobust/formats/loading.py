"""Models from files of every format that is read here; each reader is imported when needed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurorobust.formats.reading import read_model
from neurorobust.ir import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a file may leave open.

    Attributes:
        steps: Time steps of a sample, of ``.net`` and ``.nir`` files.
        dt_s: Duration of a step in seconds, of ``.nir`` files.
        reset: ``hard``, ``soft`` or ``none``, of ``.nir`` files.
        profile: Target that a Graph is lowered to for the rung ``quantised``.
    """

    steps: int | None = None
    dt_s: float | None = None
    reset: str | None = None
    profile: str = "loihi2"


def read(path: Path, reading: Reading) -> Model:
    """A model, by the ending of its file.

    Raises:
        InvalidFile: if the file is missing, truncated, foreign or altered.
        InvalidInput: if it leaves open what was not given.
    """
    if path.suffix == ".nir":
        from neurorobust.formats.nir import load_nir

        given = {"dt_s": reading.dt_s, "reset": reading.reset, "steps": reading.steps}
        options: Any = {key: value for key, value in given.items() if value is not None}
        return load_nir(path, **options)
    if path.suffix == ".onnx":
        from neurorobust.formats.onnx import load_onnx

        return load_onnx(path)
    return read_model(path, reading.steps if path.suffix == ".net" else None)
