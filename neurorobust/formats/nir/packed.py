"""Arrays and NIR entries as JSON, bit for bit."""

import base64
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from neurorobust.formats.hdf5 import BYTES_MAX
from neurorobust.formats.nir.document import Entry
from neurorobust.ir import Array

_PLAIN_MAX = 8


Refer = Callable[[str, str, Array], str | None]
"""Where an array of a node lies already: called with node, field and array."""


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
        msg = f"dtype {dtype} is no number"
        raise ValueError(msg)
    if "values" in packed:
        return np.array(packed["values"], dtype).reshape(shape)
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if not 0 <= size <= BYTES_MAX:
        msg = f"shape {shape} is beyond {BYTES_MAX >> 20} MiB"
        raise ValueError(msg)
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(packed["zlib"]), size or 1)
    except zlib.error as error:
        msg = f"packed array is damaged ({error})"
        raise ValueError(msg) from error
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
