"""Reading HDF5 from strangers: hard links to plain datasets only, and sizes added up first.

Neither a link out of the file nor a small file that declares terabytes does harm.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import h5py
import numpy as np

from neurorobust.errors import InvalidFile
from neurorobust.files import require_file
from neurorobust.ir import Array

BYTES_MAX = 1 << 30
"""Most bytes that all arrays of a file may have together."""
DIMS_MAX = 8

DAMAGED = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError)
"""What h5py raises on a file that is cut off or damaged."""

D = TypeVar("D")


def open_bounded(
    path: Path, read: Callable[[h5py.File], D], stream: BinaryIO | None, *, otherwise: str
) -> D:
    """What ``read`` makes of a file.

    Args:
        path: The file.
        read: Raises InvalidFile for what it refuses.
        stream: Its content where it is not on disk yet; the path is for messages then.
        otherwise: Advice where the file is damaged.

    Raises:
        InvalidFile: if it is missing, no HDF5 or damaged, or what ``read`` raises.
    """
    if stream is None:
        require_file(path, "the path of one of HDF5", ("hdf5",))
    try:
        with h5py.File(stream or path, "r") as file:
            return read(file)
    except InvalidFile:
        raise
    except DAMAGED as error:
        raise InvalidFile(path, f"cannot be read as HDF5 ({error}); {otherwise}") from error


class Bounded:
    """Reads members of one open file, with what is left of the bytes it may hold.

    Args:
        path: For messages.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._left = BYTES_MAX

    def member(self, group: h5py.Group, name: str, label: str) -> Any:
        """The group or dataset of a name, or None.

        Raises:
            InvalidFile: for a link that may lead out of the file.
        """
        link = group.get(name, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            reason = f"{label} is a {type(link).__name__}, which may lead anywhere; store the data"
            raise InvalidFile(self.path, reason)
        return group[name]

    def values(self, data: h5py.Dataset, label: str) -> Any:
        """All values of a dataset, after taking them from what may be read.

        Raises:
            InvalidFile: for values of other files, too many axes or bytes, or a damaged dataset.
        """
        if data.external or data.is_virtual:
            reason = f"{label} takes its values from other files; store them in this one"
            raise InvalidFile(self.path, reason)
        if data.shape is not None and len(data.shape) > DIMS_MAX:
            reason = f"{label} has shape {data.shape}; allowed are {DIMS_MAX} axes"
            raise InvalidFile(self.path, reason)
        chunk = int(np.prod(data.chunks, dtype=object)) if data.chunks else 0
        self._left -= max(int(data.size or 0), chunk) * data.dtype.itemsize
        if self._left < 0:
            reason = f"{label} brings the arrays above {BYTES_MAX >> 20} MiB in all"
            raise InvalidFile(self.path, reason)
        with self.named(label):
            return data[()]

    def text(self, data: Any, label: str) -> str:
        """The one text of a dataset.

        Raises:
            InvalidFile: if it is none.
        """
        if not isinstance(data, h5py.Dataset) or data.dtype.kind not in "OS" or data.size != 1:
            raise InvalidFile(self.path, f"{label} is no text; give one string")
        return decoded(np.asarray(self.values(data, label)).ravel()[0])

    def numbers(self, data: h5py.Dataset, label: str) -> Array:
        """The numbers of a dataset, in the dtype of the file.

        Raises:
            InvalidFile: for anything else.
        """
        if data.shape is None or data.dtype.kind not in "biuf" or data.dtype.itemsize > 8:
            reason = f"{label} has dtype {data.dtype}; numbers of at most 64 bits are read"
            raise InvalidFile(self.path, reason)
        return np.asarray(self.values(data, label))

    @contextmanager
    def named(self, label: str) -> Iterator[None]:
        """A damaged part is called by its name."""
        try:
            yield
        except DAMAGED as error:
            reason = f"{label} cannot be read ({error}); the file is cut off or damaged"
            raise InvalidFile(self.path, reason) from error


def decoded(text: Any) -> str:
    """A text as h5py gives it."""
    return text.decode() if isinstance(text, bytes) else str(text)
