"""A NIR file as plain arrays, read and written: nothing is interpreted, everything is bounded.

Only hard links to plain datasets are followed, to a fixed depth, and declared sizes are added up
before anything is read, so that neither a link out of the file nor a small file that declares
terabytes does harm.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from neurorobust.errors import InvalidFile
from neurorobust.formats.hdf5 import Bounded, decoded, open_bounded
from neurorobust.ir import Array

ENTRIES_MAX = 200_000
"""Most groups and arrays of a file."""
DEPTH_MAX = 16
"""Most levels of graphs within graphs, or of nested metadata."""

Metadata = Mapping[str, Any]
"""Texts, tuples of texts, arrays, and mappings of them."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Entry:
    """One node of a NIR file; a ``NIRGraph`` has nodes and edges of its own.

    Attributes:
        kind: NIR's name of the type, e.g. ``CubaLIF``.
        values: What is stored for it: arrays with the dtype of the file, and texts.
        metadata: What its writer added.
        nodes: Of a ``NIRGraph``, by name.
        edges: Of a ``NIRGraph``, from name to name.
    """

    kind: str
    values: Mapping[str, Array | str] = field(default_factory=dict)
    metadata: Metadata = field(default_factory=dict)
    nodes: Mapping[str, "Entry"] = field(default_factory=dict)
    edges: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """The graph of a file, the version of NIR that wrote it, and where it was read."""

    path: Path
    version: str
    root: Entry


def read_document(path: Path | str, stream: BinaryIO | None = None) -> Document:
    """Read a file; one that is open in a stream is called by its path in messages.

    Raises:
        InvalidFile: if it is missing, no HDF5, no NIR, damaged, too large, or leads out of itself.
    """
    path = Path(path)
    otherwise = "it is no NIR file or is cut off: write it anew"
    return open_bounded(path, _Reader(path).document, stream, otherwise=otherwise)


class _Reader(Bounded):
    """Reads the graph of one open file, with what is left of the entries it may hold."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._entries_left = ENTRIES_MAX

    def document(self, file: h5py.File) -> Document:
        root = self.member(file, "node", "node")
        if not isinstance(root, h5py.Group):
            raise InvalidFile(self.path, "has no group 'node'; it is no NIR file")
        version = self.member(file, "version", "version")
        text = "" if version is None else self.text(version, "version")
        entry = self._entry(root, "", 0)
        if entry.kind != "NIRGraph":
            reason = f"holds a single {entry.kind}, no NIRGraph; wrap it in a graph with input"
            raise InvalidFile(self.path, reason)
        return Document(self.path, text, entry)

    def _entry(self, group: h5py.Group, name: str, depth: int) -> Entry:
        label = f"node {name!r}" if name else "the graph"
        members = self._members(group, label, depth)
        kind = members.pop("type", None)
        if kind is None:
            inside = next(
                (f"{name}/{k}" for k, v in members.items() if isinstance(v, h5py.Group)), None
            )
            hint = "it names no type"
            if inside:
                hint += f"; was a node called {inside!r}? NIR cannot hold '/' in names: rename it"
            raise InvalidFile(self.path, f"{label} is no node: {hint}")
        inner, links = members.pop("nodes", None), members.pop("edges", None)
        metadata = members.pop("metadata", None)
        prefix = f"{name}." if name else ""
        nodes: dict[str, Entry] = {}
        edges: tuple[tuple[str, str], ...] = ()
        if inner is not None:
            found = self._members(inner, label, depth).items()
            nodes = {k: self._child(v, f"{prefix}{k}", depth + 1) for k, v in found}
        if links is not None:
            edges = self._edges(links, label)
        return Entry(
            kind=self.text(kind, f"{label}: type"),
            values={k: self._value(v, f"{label}: {k}") for k, v in members.items()},
            metadata={} if metadata is None else self._metadata(metadata, label, depth),
            nodes=nodes,
            edges=edges,
        )

    def _child(self, item: Any, name: str, depth: int) -> Entry:
        if not isinstance(item, h5py.Group):
            raise InvalidFile(self.path, f"node {name!r} is a bare value, no node")
        return self._entry(item, name, depth)

    def _members(self, group: Any, label: str, depth: int) -> dict[str, Any]:
        if not isinstance(group, h5py.Group) or depth > DEPTH_MAX:
            raise InvalidFile(self.path, f"{label} is no group, or beyond {DEPTH_MAX} levels")
        self._entries_left -= len(group)
        if self._entries_left < 0:
            raise InvalidFile(self.path, f"{label} brings the entries above {ENTRIES_MAX} in all")
        return {name: self.member(group, name, f"{label}: {name}") for name in group}

    def _metadata(self, group: Any, label: str, depth: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, item in self._members(group, f"{label}: metadata", depth).items():
            name = f"{label}: metadata {key}"
            if isinstance(item, h5py.Group):
                kept[key] = self._metadata(item, name, depth + 1)
            elif item.dtype.kind in "OS" and item.shape:
                kept[key] = tuple(decoded(v) for v in self.values(item, name).ravel())
            else:
                kept[key] = self._value(item, name)
        return kept

    def _value(self, item: Any, label: str) -> Array | str:
        if not isinstance(item, h5py.Dataset):
            raise InvalidFile(self.path, f"{label} is a group; a number or an array is expected")
        if item.dtype.kind in "OS":
            return self.text(item, label)
        return self.numbers(item, label)

    def _edges(self, item: Any, label: str) -> tuple[tuple[str, str], ...]:
        if not isinstance(item, h5py.Dataset) or (
            item.size and (item.ndim != 2 or item.shape[1] != 2 or item.dtype.kind not in "OS")
        ):
            raise InvalidFile(self.path, f"{label}: edges are no pairs of names")
        pairs = self.values(item, f"{label}: edges") if item.size else ()
        return tuple((decoded(source), decoded(target)) for source, target in pairs)


def hdf5(root: Entry, version: str) -> bytes:
    """The file in the layout of ``nir.write``; equal entries give equal bytes."""
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
