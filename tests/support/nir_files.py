"""NIR files written by nir itself, for the tests."""

from itertools import pairwise
from pathlib import Path

import h5py
import nir
import numpy as np


def write(path: Path, nodes: dict, edges: list, **metadata) -> Path:
    """A file as nir.write makes it, whatever its shapes."""
    nir.write(path, nir.NIRGraph(nodes, edges, metadata=metadata, type_check=False))
    return path


def chain(path: Path, shape: tuple, out: tuple | None = None, **nodes) -> Path:
    """Input, the nodes one behind the other, Output; unless said, of the shape of the last."""
    if out is None:
        out = list(nodes.values())[-1].output_type["output"]
    ends = nir.Input(np.array(shape)), nir.Output(np.array(shape if out is None else out))
    named = {"input": ends[0], **nodes, "output": ends[1]}
    return write(path, named, list(pairwise(named)))


def values(path: Path) -> dict[str, np.ndarray | bytes]:
    """Everything that a file stores, by path, except the metadata."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and "metadata" not in name and name != "version":
            found[name] = item[()]

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def same(a: Path, b: Path) -> bool:
    """Whether two files store the same, bit for bit."""
    one, two = values(a), values(b)
    if one.keys() != two.keys():
        return False
    for name in one:
        x, y = np.asarray(one[name]), np.asarray(two[name])
        if (x.dtype, x.shape) != (y.dtype, y.shape) or x.tolist() != y.tolist():
            return False
    return True


def lif(size: int, dtype=np.float32, **changes) -> nir.LIF:
    """LIF neurons with a time constant of 2.5 ms."""
    given = {"tau": 2.5e-3, "r": 1.0, "v_leak": 0.0, "v_threshold": 0.1, "v_reset": 0.0} | changes
    return nir.LIF(**{name: np.full(size, value, dtype) for name, value in given.items()})


def linear(rng: np.random.Generator, out: int, into: int, dtype=np.float32) -> nir.Affine:
    """Random weights and bias."""
    weight, bias = rng.normal(size=(out, into)) * 4, rng.normal(size=out)
    return nir.Affine(weight=weight.astype(dtype), bias=bias.astype(dtype))
