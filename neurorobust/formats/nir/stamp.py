"""What NIR has no words for: the Graph itself, as JSON in the metadata of the file; and back.

The text lies under one key of the graph's metadata, next to a digest of everything that NIR itself
holds, so that a file edited after it was written is noticed. The other way, the file itself is kept
in the provenance of the Graph that was read from it. It survives ``save_model`` and never enters
what is computed: ``tau``, ``r``, ``v_leak``, ``w_in``, dtypes, names and subgraphs stay bit for
bit, so that the same file can be written again.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from neurorobust.errors import InvalidInput, InvalidModel
from neurorobust.formats.hdf5 import BYTES_MAX
from neurorobust.formats.nir.document import Entry
from neurorobust.ir import Array, Graph
from neurorobust.ir.identity import arrays_of, canonical_json, describe
from neurorobust.ir.store import rebuild

KEY = "neurorobust"
"""Key of the text in the metadata of the graph."""
SCHEMA = 1
"""Version of the text, raised when older readers would misread it."""
ORIGINAL = "nir"
"""Key of the file itself in the provenance of a Graph that was read from it."""
_PLAIN_MAX = 8

Refer = Callable[[str, str, Array], str | None]
"""Where an array of a node lies already: called with node, field and array."""


def digest(root: Entry) -> str:
    """SHA-256 of types, parameters, dtypes and edges; order and metadata do not matter."""
    described = _described(root)
    return hashlib.sha256(canonical_json(described).encode()).hexdigest()


def stamp(graph: Graph, root: Entry, **facts: Any) -> str:
    """The text for a file with these contents.

    Args:
        graph: What the file means.
        root: What it holds, without the text.
        facts: What else is to be known, as JSON values.
    """
    described, arrays = describe(graph), arrays_of(graph)
    described["header"]["provenance"] = without_original(graph.header.provenance)
    places = {_mark(value): place for place, value in stored_arrays(root).items()}
    placed = {
        key: {"at": places[_mark(value)]} if _mark(value) in places else pack(value)
        for key, value in arrays.items()
    }
    text = {
        "schema": SCHEMA,
        "digest": digest(root),
        "content_hash": graph.content_hash,
        "graph": described,
        "arrays": placed,
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
        raise ValueError("is no JSON object")
    if found.get("schema") != SCHEMA:
        raise ValueError(f"has schema {found.get('schema')!r}, this version reads {SCHEMA}")
    if found.get("digest") != digest(root):
        raise ValueError("does not fit the nodes: the file was edited after it was written")
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
            raise ValueError("its content hash does not match")
    except (KeyError, TypeError, AttributeError, OverflowError, InvalidModel) as error:
        raise ValueError(f"describes no valid Graph ({error})") from error
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


def with_original(graph: Graph, root: Entry, facts: Mapping[str, str]) -> Graph:
    """The same Graph, its provenance naming the source and holding the file."""
    arrays = arrays_of(graph)

    def place(name: str, key: str, value: Array) -> str | None:
        held = arrays.get(f"{name}/{key}")
        if held is None or (held.dtype.str, held.shape) != (value.dtype.str, value.shape):
            return None
        return f"{name}/{key}" if held.tobytes() == value.tobytes() else None

    metadata = {key: value for key, value in root.metadata.items() if key != KEY}
    kept = {
        "content_hash": graph.content_hash,
        "file": pack_entry(replace(root, metadata=metadata), place),
    }
    provenance = without_original(graph.header.provenance) | dict(facts)
    provenance[ORIGINAL] = canonical_json(kept)
    return graph.with_(header=replace(graph.header, provenance=provenance))


def original(graph: Graph) -> Entry | None:
    """The file that a Graph was read from; None if there is none or the Graph has changed."""
    text = graph.header.provenance.get(ORIGINAL)
    if text is None:
        return None
    try:
        kept = json.loads(text)
        same = kept["content_hash"] == graph.content_hash
        return unpack_entry(kept["file"], arrays_of(graph)) if same else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"header: provenance {ORIGINAL!r} holds no NIR file ({error}); remove the entry"
        raise InvalidInput(msg) from error


def without_original(provenance: Mapping[str, str]) -> dict[str, str]:
    """Provenance without the file."""
    return {key: value for key, value in provenance.items() if key != ORIGINAL}


def pack(value: Array) -> dict[str, Any]:
    """An array as JSON: few finite numbers readably, others compressed."""
    packed: dict[str, Any] = {"dtype": value.dtype.str, "shape": list(value.shape)}
    if value.size <= _PLAIN_MAX and np.isfinite(value).all():
        return packed | {"values": value.ravel().tolist()}
    data = zlib.compress(np.ascontiguousarray(value).tobytes(), 6)
    return packed | {"zlib": base64.b64encode(data).decode()}


def unpack(packed: Mapping[str, Any]) -> Array:
    """What ``pack`` packed.

    Raises:
        KeyError, TypeError, ValueError: if it is nothing of the kind.
    """
    dtype, shape = np.dtype(packed["dtype"]), tuple(int(n) for n in packed["shape"])
    if dtype.kind not in "biuf":
        raise ValueError(f"dtype {dtype} is no number")
    if "values" in packed:
        return np.array(packed["values"], dtype).reshape(shape)
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if not 0 <= size <= BYTES_MAX:
        raise ValueError(f"shape {shape} is beyond {BYTES_MAX >> 20} MiB")
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(packed["zlib"]), size or 1)
    except zlib.error as error:
        raise ValueError(f"packed array is damaged ({error})") from error
    return np.frombuffer(data, dtype).reshape(shape)


def pack_entry(entry: Entry, refer: Refer, name: str = "") -> dict[str, Any]:
    """An entry as JSON; arrays that lie elsewhere already are named instead."""
    prefix = f"{name}." if name else ""
    values: dict[str, Any] = {}
    for key, value in entry.values.items():
        place = None if isinstance(value, str) else refer(name, key, value)
        values[key] = {"at": place} if place else _pack_value(value)
    return {
        "kind": entry.kind,
        "values": values,
        "metadata": {key: _pack_value(value) for key, value in entry.metadata.items()},
        "nodes": {k: pack_entry(v, refer, f"{prefix}{k}") for k, v in entry.nodes.items()},
        "edges": [list(edge) for edge in entry.edges],
    }


def unpack_entry(packed: Mapping[str, Any], arrays: Mapping[str, Array]) -> Entry:
    """What ``pack_entry`` packed, with the arrays that it names."""
    values = {
        key: arrays[value["at"]]
        if isinstance(value, dict) and "at" in value
        else _unpack_value(value)
        for key, value in packed["values"].items()
    }
    return Entry(
        kind=packed["kind"],
        values=values,
        metadata={key: _unpack_value(value) for key, value in packed["metadata"].items()},
        nodes={name: unpack_entry(node, arrays) for name, node in packed["nodes"].items()},
        edges=tuple((source, target) for source, target in packed["edges"]),
    )


def _pack_value(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return pack(value)
    if isinstance(value, Mapping):
        return {"group": {key: _pack_value(inner) for key, inner in value.items()}}
    return list(value) if isinstance(value, tuple) else value


def _unpack_value(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        if "group" in value:
            return {key: _unpack_value(inner) for key, inner in value["group"].items()}
        return unpack(value)
    return value


def _mark(value: Array) -> tuple[Any, ...]:
    return value.dtype.str, value.shape, hashlib.sha256(value.tobytes()).hexdigest()


def _described(entry: Entry) -> list[Any]:
    values = {
        key: value if isinstance(value, str) else list(_mark(value))
        for key, value in entry.values.items()
    }
    nodes = {name: _described(node) for name, node in entry.nodes.items()}
    return [entry.kind, values, nodes, sorted(list(edge) for edge in entry.edges)]
