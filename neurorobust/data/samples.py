"""Samples of any data set: what networks are trained, calibrated, measured and attacked on."""

import hashlib
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from neurorobust.asking import give
from neurorobust.data.source import Source
from neurorobust.errors import InvalidInput
from neurorobust.ir import Array, Model, Shape

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
        levels: Number of values of a sensor, whose numbers ``raw`` holds; None where ``raw`` holds
            values.
        formats: File formats that images were decoded from, sorted.
        bounds: Values of the sensor's numbers 0 and ``levels - 1``; None where nothing says.
        grid: Number of values between the bounds onto which the sensor's are rounded; None for its
            own.
        classes: Names of the labels, from 0; may be empty.
    """

    name: str
    raw: Array
    targets: Array | None = None
    index: Array | None = None
    levels: int | None = None
    formats: tuple[str, ...] = ()
    bounds: tuple[float, float] | None = None
    grid: int | None = None
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.raw)

    def __getitem__(self, rows: slice | Array) -> "Samples":
        targets = None if self.targets is None else self.targets[rows]
        return replace(self, raw=self.raw[rows], targets=targets, index=self.sample[rows])

    def head(self, count: int | None) -> "Samples":
        """The first samples only; all of them without a count."""
        return self[:count]

    def shown_to(self, model: Model) -> "Samples":
        """The same within the bounds and on the levels of a model, where nothing else was said.

        What a model takes as one axis is flattened.

        Raises:
            InvalidInput: for values beyond the bounds of the model.
        """
        header, flat = model.header, (prod(self.shape),)
        raw = self.raw
        if header.coding != "events" and model.input_shape == flat != self.shape:
            raw = raw.reshape(len(raw), *flat)
        bounds, grid = self.bounds or header.bounds, self.grid or header.levels
        found = replace(self, raw=raw, bounds=bounds, grid=grid)
        found._within(*header.bounds)
        return found

    def _within(self, low: float, high: float) -> None:
        ends = self.raw if self.levels is None else np.array(self.bounds)
        if not ends.size or not (ends.min() < low or ends.max() > high):
            return
        raw, way_out = self.raw, "rescale them"
        if self.levels is not None:
            way_out = f"give other {give(Source, 'bounds')}"
        elif raw.min() >= 0 and (raw == np.rint(raw)).all():
            top = int(raw.max())
            asked = give(Source, "levels", 256 if top < LEVELS else top + 1)
            way_out = f"{way_out}, or, if they are integers that a sensor gave, give {asked}"
        raise InvalidInput(
            f"{self.name} has values from {ends.min():g} to {ends.max():g}, the model takes "
            f"{low:g} to {high:g}; {way_out}"
        )

    @property
    def shape(self) -> Shape:
        """Of one sample."""
        return self.raw.shape[1:]

    @property
    def values(self) -> Array:
        """Input values, shape (B, ...); of a sensor float64, evenly from bound to bound.

        Where no bounds are known, these are 0 and 1. A sensor's number lies on the nearest value of
        the grid, the upper one of two.
        """
        if self.levels is None:
            return self.raw
        (low, high), grid = self._scale
        codes, top = self.raw.astype(np.float64), self.levels - 1
        if grid is not None and grid != self.levels:
            codes, top = np.floor(codes * (grid - 1) / top + 0.5), grid - 1
        values: Array = low + codes * (high - low) / top
        return values

    @property
    def labels(self) -> Array:
        """Shape (B,).

        Raises:
            InvalidInput: if there are none.
        """
        if self.targets is None:
            raise InvalidInput(
                f"{self.name} holds no labels; of arrays, write them with "
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
        """SHA-256 of what the data set has, of how that became values, and of the labels."""
        found = hashlib.sha256(np.ascontiguousarray(self.raw).tobytes())
        found.update(self.labels.astype(np.int64).tobytes())
        if self.levels is not None and (own := self._scale) != ((0.0, 1.0), self.levels):
            found.update(repr(own).encode())
        return found.hexdigest()

    @property
    def _scale(self) -> tuple[tuple[float, float], int | None]:
        """Bounds, and number of values between them."""
        return self.bounds or (0.0, 1.0), self.grid or self.levels
