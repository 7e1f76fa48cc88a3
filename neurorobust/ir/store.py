"""One file per model: a safetensors file with the arrays and canonical JSON in its metadata."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from neurorobust.errors import InvalidFile, InvalidModel
from neurorobust.files import require_file, write_atomic
from neurorobust.ir.base import KINDS, Array, Node
from neurorobust.ir.edges import Edge
from neurorobust.ir.header import Header
from neurorobust.ir.identity import FORMAT, arrays_of, canonical_json, describe
from neurorobust.ir.model import Graph, Model
from neurorobust.names import known_are

_KEY = "neurorobust"
M = TypeVar("M", bound=Model)


def save_model(model: Model, path: Path | str) -> Path:
    """Write a Graph or Program; the file appears whole or not at all.

    Raises:
        InvalidFile: if the folder cannot be written.
    """
    metadata = {_KEY: canonical_json(describe(model) | {"content_hash": model.content_hash})}
    return write_atomic(path, save(arrays_of(model), metadata=metadata))


def load_model(path: Path | str, kind: type[M]) -> M:
    """Read what ``save_model`` wrote and check it against its hash.

    Args:
        path: The file.
        kind: ``Graph`` or ``Program``; a file of the other kind is refused.

    Raises:
        InvalidFile: if the file is missing, truncated, foreign or altered.
    """
    path = Path(path)
    require_file(path, f"a saved {kind.__name__}", ("safetensors",))
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        reason = f"cannot be read as safetensors ({error}); export the model again"
        raise InvalidFile(path, reason) from error
    if _KEY not in metadata:
        raise InvalidFile(path, "is a safetensors file without a neurorobust model")
    try:
        described = json.loads(metadata[_KEY])
        model = rebuild(described, arrays, kind)
        digest = model.content_hash
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidFile(path, f"describes no valid model ({error})") from error
    except InvalidModel as error:
        raise InvalidFile(path, str(error)) from error
    if digest != described.get("content_hash"):
        raise InvalidFile(path, "was altered after it was saved: its content hash does not match")
    return model


def rebuild(described: dict[str, Any], arrays: dict[str, Array], kind: type[M]) -> M:
    """The model of a description (``identity.describe``) and its arrays (``identity.arrays_of``).

    Raises:
        KeyError, TypeError, ValueError: if the description is not one.
        InvalidModel: if it breaks the rules of a model.
    """
    if described["format"] != FORMAT:
        raise ValueError(f"format {described['format']}, this version reads {FORMAT}")
    if described["model"] != kind.__name__:
        raise ValueError(f"it holds a {described['model']}, a {kind.__name__} is wanted")
    nodes = {entry["name"]: _build_node(dict(entry), arrays) for entry in described["nodes"]}
    edges = tuple(Edge(*edge) for edge in described["edges"])
    extra = {f.name: described[f.name] for f in fields(kind) if f.metadata.get("stored")}
    for f in fields(kind):
        if f.metadata.get("part") and f.name in described:
            start = f"//{f.name}/"
            own = {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}
            extra[f.name] = rebuild(described[f.name], own, Graph)
    return kind(header=Header(**_tuples(described["header"])), nodes=nodes, edges=edges, **extra)


def _build_node(entry: dict[str, Any], arrays: dict[str, Array]) -> Node:
    name, kind = entry.pop("name"), entry.pop("kind")
    if kind not in KINDS:
        msg = f"{name}: unknown node kind {kind!r}; {known_are(kind, sorted(KINDS))}"
        raise ValueError(msg)
    own = {
        key.removeprefix(f"{name}/"): v for key, v in arrays.items() if key.startswith(f"{name}/")
    }
    return KINDS[kind](**_tuples(entry), **own)


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists where nodes and headers have tuples."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
