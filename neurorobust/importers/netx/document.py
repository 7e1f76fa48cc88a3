"""A ``.net`` file as plain arrays: nothing is interpreted, everything is bounded.

Only hard links to plain datasets are followed, to a fixed depth, and the declared sizes are added
up before anything is read, so that neither a link out of the file nor a small file that declares
terabytes does harm.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from neurorobust.errors import InvalidFile
from neurorobust.ir import Array

BYTES_MAX = 1 << 30
"""Most bytes that all arrays of a file may have together."""
RECORDS_MAX = 10_000
"""Most layers of a file."""
_DIMS_MAX = 8
_NAMES_MAX = 100
_TEXTS = frozenset({"type"})
_SYNAPSE = ("weight", "weight_rec", "weight/real", "weight/imag", "bias", "delay", "weight_exp")
_GEOMETRY = ("shape", "stride", "padding", "dilation", "groups")
_PARAMETERS = ("iDecay", "vDecay", "vThMant", "refDelay", "gradedSpike", "messageBits")
_LAYER = frozenset({*_TEXTS, *_SYNAPSE, *_GEOMETRY, "wgtExp"})
_NEURON = frozenset({*_TEXTS, *_PARAMETERS, "weight_exp", "wgtExp"})


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One layer of the file.

    Attributes:
        index: Its number.
        type: What it calls itself; empty if it does not.
        values: Its arrays, as stored.
        neuron: Arrays of its neuron group, or None without one.
        neuron_type: What the neuron calls itself; empty if it does not.
    """

    index: int
    type: str
    values: Mapping[str, Array]
    neuron: Mapping[str, Array] | None
    neuron_type: str


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """All layers of a file, in order, and where they were read."""

    path: Path
    records: tuple[Record, ...]


def read_netx(path: Path | str) -> Document:
    """Read all layers of a file.

    Raises:
        InvalidFile: if it is missing, no HDF5, damaged, too large, or leads out of itself.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidFile(path, "is no file; give the path of a .net file")
    return _parse(path, path)


def parse_netx(stream: BinaryIO, path: Path | str) -> Document:
    """Read all layers of an open file; the path is for messages."""
    return _parse(stream, Path(path))


def _parse(source: Path | BinaryIO, path: Path) -> Document:
    reader = _Reader(path)
    try:
        with h5py.File(source, "r") as file:
            return Document(path, tuple(reader.records(file)))
    except InvalidFile:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
        reason = f"cannot be read as HDF5 ({error}); export the network again"
        raise InvalidFile(path, reason) from error


class _Reader:
    """Reads from one open file, with what is left of the bytes it may hold."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._left = BYTES_MAX

    def records(self, file: h5py.File) -> Iterator[Record]:
        root = self._group(file, "layer", "layer")
        if root is None:
            raise InvalidFile(self._path, "has no group 'layer'; it is no .net file of netx")
        if not 1 <= len(root) <= RECORDS_MAX:
            reason = f"has {len(root)} layers; allowed is 1..{RECORDS_MAX}"
            raise InvalidFile(self._path, reason)
        for index in range(len(root)):
            label = f"layer/{index}"
            group = self._group(root, str(index), label)
            if group is None:
                reason = f"has {len(root)} layers, but no group '{label}'; number them from 0"
                raise InvalidFile(self._path, reason)
            yield self._record(group, index, label)

    def _record(self, group: h5py.Group, index: int, label: str) -> Record:
        texts, values = self._values(group, _LAYER, label)
        neuron = self._group(group, "neuron", f"{label}/neuron")
        if neuron is None:
            return Record(index, texts.get("type", ""), values, None, "")
        kind, parameters = self._values(neuron, _NEURON, f"{label}/neuron")
        return Record(index, texts.get("type", ""), values, parameters, kind.get("type", ""))

    def _values(
        self, group: h5py.Group, names: frozenset[str], label: str
    ) -> tuple[dict[str, str], dict[str, Array]]:
        if len(group) > _NAMES_MAX:
            reason = f"{label} has {len(group)} entries; allowed are {_NAMES_MAX}"
            raise InvalidFile(self._path, reason)
        texts, values = {}, {}
        for name in sorted(names):
            parent, _, leaf = name.rpartition("/")
            inside = self._group(group, parent, label) if parent else group
            found = None if inside is None else self._member(inside, leaf, f"{label}/{name}")
            if isinstance(found, h5py.Dataset):
                with self._named(f"{label}/{name}"):
                    if name in _TEXTS:
                        texts[name] = self._text(found, f"{label}/{name}")
                    else:
                        values[name] = self._array(found, f"{label}/{name}")
        return texts, values

    def _group(self, parent: h5py.Group, name: str, label: str) -> h5py.Group | None:
        found = self._member(parent, name, label)
        return found if isinstance(found, h5py.Group) else None

    def _member(self, group: h5py.Group, name: str, label: str) -> Any:
        link = group.get(name, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            reason = f"{label} is a {type(link).__name__}, which may lead anywhere; store the data"
            raise InvalidFile(self._path, reason)
        return group[name]

    @contextmanager
    def _named(self, label: str) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
            raise InvalidFile(self._path, f"{label} cannot be read ({error})") from error

    def _text(self, data: h5py.Dataset, label: str) -> str:
        if data.shape is None or data.size != 1 or data.dtype.kind not in "SO":
            reason = f"{label} is of type {data.dtype} and shape {data.shape}; give one string"
            raise InvalidFile(self._path, reason)
        self._count(data, label)
        value = data[()] if data.shape == () else data[:].ravel()[0]
        if not isinstance(value, bytes):
            raise InvalidFile(self._path, f"{label} is no string")
        try:
            return value.decode("ascii")
        except UnicodeDecodeError as error:
            raise InvalidFile(self._path, f"{label} is no ASCII string") from error

    def _array(self, data: h5py.Dataset, label: str) -> Array:
        shape, dtype = data.shape, data.dtype
        if shape is None or not data.size or len(shape) > _DIMS_MAX:
            reason = f"{label} has shape {shape}; give at least one value and {_DIMS_MAX} axes"
            raise InvalidFile(self._path, reason)
        if dtype.kind not in "biuf" or dtype.itemsize > 8:
            reason = f"{label} has dtype {dtype}; numbers of at most 64 bits are read"
            raise InvalidFile(self._path, reason)
        self._count(data, label)
        value: Array = np.asarray(data[()])
        value = value.astype(value.dtype.newbyteorder("="), copy=False)
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise InvalidFile(self._path, f"{label} holds values that are NaN or infinite")
        return value

    def _count(self, data: h5py.Dataset, label: str) -> None:
        """Take a dataset from what may be read, before it is read."""
        if data.external or data.is_virtual:
            reason = f"{label} takes its values from other files; store them in this one"
            raise InvalidFile(self._path, reason)
        chunk = int(np.prod(data.chunks, dtype=object)) if data.chunks else 0
        self._left -= max(int(data.size), chunk) * data.dtype.itemsize
        if self._left < 0:
            reason = f"{label} brings the arrays above {BYTES_MAX >> 20} MiB in all"
            raise InvalidFile(self._path, reason)
