"""Entries → bytes of a NIR file, in the layout of ``nir.write``."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import h5py
import numpy as np

from neurorobust.formats.nir.document import Entry


def hdf5(root: Entry, version: str) -> bytes:
    """The file; equal entries give equal bytes."""
    stream = BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("version", data=version, dtype=h5py.string_dtype())
        _write(file.create_group("node"), root)
    return stream.getvalue()


def _write(group: h5py.Group, entry: Entry) -> None:
    _put(group, "type", entry.kind)
    for key, value in sorted(entry.values.items()):
        _put(group, key, value)
    if entry.kind == "NIRGraph":
        inner = group.create_group("nodes")
        for name, node in sorted(entry.nodes.items()):
            _write(inner.create_group(name), node)
        pairs = np.array(entry.edges, dtype=object).reshape(-1, 2)
        group.create_dataset("edges", data=pairs, dtype=h5py.string_dtype())
    if entry.metadata:
        _put(group, "metadata", entry.metadata)


def _put(group: h5py.Group, key: str, value: Any) -> None:
    if isinstance(value, Mapping):
        inner = group.create_group(key)
        for name, item in value.items():
            _put(inner, name, item)
    elif isinstance(value, str):
        group.create_dataset(key, data=value, dtype=h5py.string_dtype())
    elif isinstance(value, tuple):
        group.create_dataset(key, data=list(value), dtype=h5py.string_dtype())
    elif value.ndim == 0:  # HDF5 compresses no scalar
        group.create_dataset(key, data=value)
    else:
        group.create_dataset(key, data=value, compression="gzip")
