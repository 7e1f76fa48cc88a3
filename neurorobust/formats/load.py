"""A model as users name it: a file, whose content says which reader it needs, or a name."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import h5py
from safetensors import SafetensorError, safe_open

from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.files import Content, require_file
from neurorobust.formats.netx.load import load_netx
from neurorobust.formats.nir.load import load_nir
from neurorobust.formats.onnx.load import load_onnx
from neurorobust.formats.reading import Kind, Reading, give
from neurorobust.formats.script import is_script, load_script
from neurorobust.ir import Graph, Program, Shape, load_model
from neurorobust.progress import Progress

__all__ = ["FOLDER", "Reading", "fitting", "kind_of", "load", "model_names"]

GROUP = "neurorobust.models"
"""Entry-point group in which distributions register models by name.

Each is a function ``(folder, *, seed, progress) -> (Graph, card)`` that makes or finds the model.
"""
FOLDER = Path("neurorobust-models")
"""Where models that are known by name are kept."""

ENDINGS: Mapping[str, Kind] = {".nir": "nir", ".net": "netx", ".onnx": "onnx"}
"""Whose reader says what is wrong with a file that is too damaged to be known."""

_NAMES: Mapping[Kind, str] = {
    "saved": "saved model",
    "nir": "NIR file",
    "netx": "netx file",
    "onnx": "ONNX file",
    "script": "file of Python",
}
_KINDS = ("safetensors", "hdf5", "onnx")
"""Contents that a model may have; each has its reader."""


def load(
    path: Path | str,
    reading: Reading | None = None,
    *,
    shape: Shape | None = None,
    folder: Path | str = FOLDER,
    seed: int = 0,
    progress: Progress | None = None,
) -> Graph | Program:
    """The Graph or Program of a file (saved, NIR, netx, ONNX), of Python, or of a known name.

    Args:
        path: The file, ``file.py:name``, or a name in ``model_names()``.
        reading: What it leaves open.
        shape: Of a sample that the network is to be shown, (C, H, W) or (T, C, H, W); where a
            module of torch is not said to have another.
        folder: Where a model that is known by name is kept.
        seed: Of its weights.
        progress: Is told how far its training is.

    Raises:
        InvalidFile: if the file is missing, truncated, altered, or of another kind.
        InvalidInput: if it leaves open what was not given, or says itself what was.
        BackendUnavailable: for an ONNX file, if onnx is not installed.
    """
    path, reading, kind = Path(path), reading or Reading(), kind_of(path)
    if more := reading.beyond(kind):
        said = " and ".join(map(give, more))
        raise InvalidInput(f"{path}: a {_NAMES[kind]} says {said} itself; leave it out")
    if str(path) in _models():
        return load_named(str(path), folder, seed=seed, progress=progress)[0]
    if kind == "script":
        return load_script(path, reading, shape)
    return _READERS[kind](path, reading)


def load_named(
    name: str,
    folder: Path | str = FOLDER,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Graph, dict[str, Any]]:
    """A model that is known by name, and its card."""
    found: tuple[Graph, dict[str, Any]] = _models()[name].load()(
        Path(folder), seed=seed, progress=progress
    )
    return found


@cache
def _models() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in sorted(entry_points(group=GROUP))}


def model_names() -> tuple[str, ...]:
    """Models that are known by name."""
    return tuple(_models())


def require_open(reading: Reading, paths: Iterable[Path | str], *besides: str) -> None:
    """Refuse what was said although no file leaves it open.

    Args:
        reading: What was said of all of them.
        paths: The files.
        besides: Fields that were said of something else as well, as data.

    Raises:
        InvalidInput: naming what is to be left out.
    """
    files, said = list(paths), [name for name in reading.said if name not in besides]
    beyond = [reading.beyond(kind_of(path)) for path in files] if said else []
    if more := [name for name in said if all(name in one for one in beyond)]:
        named, given = " and ".join(map(str, files)) or "no file", " and ".join(map(give, more))
        raise InvalidInput(f"{named} says {given} itself, or has no use for it; leave it out")


def fitting(reading: Reading, path: Path | str) -> Reading:
    """The same without what a file says itself: one reading serves files of several kinds."""
    said = {name: getattr(Reading(), name) for name in reading.beyond(kind_of(path))}
    return replace(reading, **said)


def kind_of(path: Path | str) -> Kind:
    """What a file is, by its content; where that is missing or damaged, by its name.

    Raises:
        InvalidFile: naming what it is, if that is nothing that is read here.
    """
    path = Path(path)
    if str(path) in _models():
        return "saved"
    if is_script(path):
        return "script"
    if path.suffix == ".py":
        raise InvalidFile(path, f"is a file of Python; name the model in it, as {path.name}:net")
    named = ENDINGS.get(path.suffix, "saved")
    wanted = "the path of a model (saved, .nir, .net or .onnx)"
    match require_file(path, wanted, _KINDS, instead=", ".join(_models())):
        case Content(kind="safetensors"):
            return "saved"
        case Content(kind="onnx"):
            return "onnx"
        case Content(kind="hdf5"):
            return _of_hdf5(path, named)
    return named


def _of_hdf5(path: Path, named: Kind) -> Kind:
    """NIR or netx; where it cannot be said, by the name, and then its reader tells."""
    groups: dict[str, Kind] = {"node": "nir", "layer": "netx"}
    try:
        with h5py.File(path, "r") as file:
            found = [kind for name, kind in groups.items() if file.get(name, getlink=True)]
    except (OSError, RuntimeError, KeyError):
        found = []
    if len(found) == 1 or named in groups.values():
        return found[0] if len(found) == 1 else named
    reason = "is HDF5, but neither NIR (group 'node') nor netx (group 'layer'), or cut off"
    raise InvalidFile(path, reason)


def _load_saved(path: Path, _reading: Reading) -> Graph | Program:
    """A Graph or Program, whichever the file says that it holds."""
    try:
        with safe_open(path, framework="numpy") as file:
            described = json.loads((file.metadata() or {}).get("neurorobust", "{}"))
    except (OSError, SafetensorError, ValueError):
        described = {}  # load_model will tell
    program = isinstance(described, dict) and described.get("model") == "Program"
    return load_model(path, Program) if program else load_model(path, Graph)


_READERS: Mapping[Kind, Callable[[Path, Reading], Graph | Program]] = {
    "saved": _load_saved,
    "nir": load_nir,
    "netx": load_netx,
    "onnx": load_onnx,
}
