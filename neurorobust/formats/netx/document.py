"""A ``.net`` file as plain arrays, read and written: nothing is interpreted, everything is bounded.

Only hard links to plain datasets are followed, to a fixed depth, and the declared sizes are added
up before anything is read, so that neither a link out of the file nor a small file that declares
terabytes does harm.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from neurorobust.errors import InvalidFile
from neurorobust.formats.hdf5 import Bounded, open_bounded
from neurorobust.ir import Array

Datasets = dict[str, Any]
"""What is written, by name; a nested dictionary is a group."""
RECORDS_MAX = 10_000
"""Most layers of a file."""
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


def read_netx(path: Path | str, stream: BinaryIO | None = None) -> Document:
    """Read all layers of a file; one that is open in a stream is called by its path in messages.

    Raises:
        InvalidFile: if it is missing, no HDF5, damaged, too large, or leads out of itself.
    """
    path = Path(path)

    def read(file: h5py.File) -> Document:
        return Document(path, tuple(_Reader(path).records(file)))

    return open_bounded(path, read, stream, otherwise="export the network again")


class _Reader(Bounded):
    def records(self, file: h5py.File) -> Iterator[Record]:
        root = self._group(file, "layer", "layer")
        if root is None:
            raise InvalidFile(self.path, "has no group 'layer'; it is no .net file of netx")
        if not 1 <= len(root) <= RECORDS_MAX:
            raise InvalidFile(self.path, f"has {len(root)} layers; allowed is 1..{RECORDS_MAX}")
        for index in range(len(root)):
            label = f"layer/{index}"
            group = self._group(root, str(index), label)
            if group is None:
                reason = f"has {len(root)} layers, but no group '{label}'; number them from 0"
                raise InvalidFile(self.path, reason)
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
            raise InvalidFile(self.path, reason)
        texts, values = {}, {}
        for name in sorted(names):
            parent, _, leaf = name.rpartition("/")
            inside = self._group(group, parent, label) if parent else group
            found = None if inside is None else self.member(inside, leaf, f"{label}/{name}")
            if isinstance(found, h5py.Dataset):
                with self.named(f"{label}/{name}"):
                    if name in _TEXTS:
                        texts[name] = self.text(found, f"{label}/{name}")
                        if not texts[name].isascii():
                            raise InvalidFile(self.path, f"{label}/{name} is no ASCII string")
                    else:
                        values[name] = self._array(found, f"{label}/{name}")
        return texts, values

    def _group(self, parent: h5py.Group, name: str, label: str) -> h5py.Group | None:
        found = self.member(parent, name, label)
        return found if isinstance(found, h5py.Group) else None

    def _array(self, data: h5py.Dataset, label: str) -> Array:
        if not data.size:
            raise InvalidFile(self.path, f"{label} has shape {data.shape}; give at least one value")
        value = self.numbers(data, label)
        value = value.astype(value.dtype.newbyteorder("="), copy=False)
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise InvalidFile(self.path, f"{label} holds values that are NaN or infinite")
        return value


def hdf5(records: Iterable[Datasets]) -> bytes:
    """The file that holds these layers."""
    stream = BytesIO()
    with h5py.File(stream, "w") as file:
        layers = file.create_group("layer")
        for index, record in enumerate(records):
            _write(layers.create_group(str(index)), record)
    return stream.getvalue()


def _write(group: h5py.Group, values: Datasets) -> None:
    for name, value in values.items():
        if isinstance(value, dict):
            _write(group.create_group(name), value)
        else:
            group[name] = value
