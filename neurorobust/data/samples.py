"""Samples of any data set: what networks are trained, calibrated, measured and attacked on."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from neurorobust.errors import InvalidInput
from neurorobust.ir import Array

LEVELS = 256
"""Pixels have 8 bits, as a sensor gives them."""
LOSSY = ("JPEG", "WEBP")
"""Formats that change pixels; what is measured on such images is said to be."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Some samples, with their labels where these are known.

    Attributes:
        name: For people.
        raw: As the data set has them: shape (B, ...), whole numbers below ``levels``, or values.
        targets: Labels from 0, shape (B,); None where nothing says.
        index: Of each in its data set, shape (B,); None for the first ones.
        levels: Number of steps of a sensor over 0..1; None where ``raw`` holds the values.
        formats: File formats that images were decoded from, sorted.
    """

    name: str
    raw: Array
    targets: Array | None = None
    index: Array | None = None
    levels: int | None = None
    formats: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.raw)

    def __getitem__(self, rows: slice | Array) -> "Samples":
        targets = None if self.targets is None else self.targets[rows]
        return replace(self, raw=self.raw[rows], targets=targets, index=self.sample[rows])

    def head(self, count: int | None) -> "Samples":
        """The first samples only; all of them without a count."""
        return self[:count]

    @property
    def values(self) -> Array:
        """Input values, shape (B, ...); of pixels float64 in 0..1, on the grid of 1/255."""
        return self.raw if self.levels is None else self.raw / (self.levels - 1)

    @property
    def labels(self) -> Array:
        """Shape (B,).

        Raises:
            InvalidInput: if there are none.
        """
        if self.targets is None:
            raise InvalidInput(
                f"{self.name} holds no arrays x and y, so no labels; write it with "
                "numpy.savez(path, x=x, y=y)"
            )
        return self.targets

    @property
    def sample(self) -> Array:
        """Index of each in its data set, shape (B,)."""
        return np.arange(len(self)) if self.index is None else self.index

    @property
    def note(self) -> str:
        """What limits the numbers, as images from a lossy copy; empty if nothing does."""
        lossy = [name for name in self.formats if name in LOSSY]
        return f"images decoded from {', '.join(lossy)}, a lossy copy" if lossy else ""

    @property
    def digest(self) -> str:
        """SHA-256 of what the data set has, and of the labels."""
        found = hashlib.sha256(np.ascontiguousarray(self.raw).tobytes())
        found.update(self.labels.astype(np.int64).tobytes())
        return found.hexdigest()
