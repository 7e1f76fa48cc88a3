"""What NIR has no words for: the Graph itself, as JSON in the metadata of the file.

The text lies under one key of the graph's metadata, next to a digest of everything that NIR itself
holds, so that a file edited after it was written is noticed.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from neurorobust.errors import InvalidModel
from neurorobust.formats.nir.document import Entry
from neurorobust.formats.nir.packed import pack, unpack
from neurorobust.ir import Array, Graph
from neurorobust.ir.identity import arrays_of, canonical_json, describe
from neurorobust.ir.store import rebuild

KEY = "neurorobust"
"""Key of the text in the metadata of the graph."""
SCHEMA = 1
"""Version of the text, raised when older readers would misread it."""


def digest(root: Entry) -> str:
    """SHA-256 of types, parameters, dtypes and edges; order and metadata do not matter."""
    return hashlib.sha256(canonical_json(_described(root)).encode()).hexdigest()


def stamp(graph: Graph, root: Entry, **facts: Any) -> str:
    """The text for a file with these contents.

    Args:
        graph: What the file means.
        root: What it holds, without the text.
        facts: What else is to be known, as JSON values.
    """
    places = {_mark(value): place for place, value in stored_arrays(root).items()}
    described = describe(graph)
    described["header"]["provenance"] = without_original(graph.header.provenance)
    arrays = {
        key: {"at": places[_mark(value)]} if _mark(value) in places else pack(value)
        for key, value in arrays_of(graph).items()
    }
    text = {
        "schema": SCHEMA,
        "digest": digest(root),
        "content_hash": graph.content_hash,
        "graph": described,
        "arrays": arrays,
        **facts,
    }
    return canonical_json(text)


def read_stamp(root: Entry) -> Mapping[str, Any] | None:
    """The text of a file, or None without one.

    Raises:
        ValueError: if it is damaged, of another schema, or no longer fits what the file holds.
    """
    text = root.metadata.get(KEY)
    if text is None:
        return None
    found = json.loads(text) if isinstance(text, str) else None
    if not isinstance(found, dict):
        msg = "is no JSON object"
        raise ValueError(msg)
    if found.get("schema") != SCHEMA:
        msg = f"has schema {found.get('schema')!r}, this version reads {SCHEMA}"
        raise ValueError(msg)
    if found.get("digest") != digest(root):
        msg = "does not fit the nodes: the file was edited after it was written"
        raise ValueError(msg)
    return found


def stamped_graph(found: Mapping[str, Any], root: Entry) -> Graph:
    """The Graph that a text describes.

    Raises:
        ValueError: if it describes none.
    """
    stored = stored_arrays(root)
    try:
        arrays = {
            key: stored[value["at"]] if "at" in value else unpack(value)
            for key, value in found["arrays"].items()
        }
        graph = rebuild(found["graph"], arrays, Graph)
        if graph.content_hash != found["content_hash"]:
            msg = "its content hash does not match"
            raise ValueError(msg)
    except (KeyError, TypeError, AttributeError, OverflowError, InvalidModel) as error:
        msg = f"describes no valid Graph ({error})"
        raise ValueError(msg) from error
    return graph


def stored_arrays(root: Entry, prefix: str = "") -> dict[str, Array]:
    """All arrays of a file as ``node/field``, nodes by dotted name."""
    found: dict[str, Array] = {}
    for name, entry in root.nodes.items():
        full = f"{prefix}{name}"
        arrays = {k: v for k, v in entry.values.items() if isinstance(v, np.ndarray)}
        found |= {f"{full}/{key}": value for key, value in arrays.items()}
        found |= stored_arrays(entry, f"{full}.")
    return found


ORIGINAL = "nir"
"""Key of the file itself in the provenance of a Graph that was read from it."""


def without_original(provenance: Mapping[str, str]) -> dict[str, str]:
    """Provenance without the file."""
    return {key: value for key, value in provenance.items() if key != ORIGINAL}


def _mark(value: Array) -> tuple[Any, ...]:
    return value.dtype.str, value.shape, hashlib.sha256(value.tobytes()).hexdigest()


def _described(entry: Entry) -> list[Any]:
    values = {
        key: value if isinstance(value, str) else list(_mark(value))
        for key, value in entry.values.items()
    }
    nodes = {name: _described(node) for name, node in entry.nodes.items()}
    return [entry.kind, values, nodes, sorted(list(edge) for edge in entry.edges)]
