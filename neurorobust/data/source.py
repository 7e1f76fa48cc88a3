"""Where samples come from, as people name it, and what their files do not say."""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from neurorobust.asking import in_range, numbers, option, questions
from neurorobust.errors import InvalidInput

DIGITS = "digits"
"""Names the built-in data, and the model that is trained on them."""


@dataclass(frozen=True, slots=True)
class Source:
    """Some samples of a data set; ``load`` reads them.

    Attributes:
        name: ``digits``, or a path: arrays (.npz, .npy), images in Parquet, one file or a folder,
            or a folder of images by class. None where nothing was named.
        part: As the data set names it; None takes ``test``, or all of what has no parts.
        image_column: Of Parquet files, where the schema leaves a choice.
        label_column: Likewise.
        first: Index of the first sample.
        limit: Number of samples; None takes all.
        bounds: Values of the darkest and the brightest pixel; None takes those of the model.
        levels: Values between the bounds, both included, onto which pixels are rounded; of whole
            numbers in arrays: they count from 0 to ``levels - 1``. None takes the model's.
        seed: Of the split of the digits.
    """

    name: str | Path | None = option(
        "digits, .npz, .npy, image Parquet (a file or a folder), or a folder of images by class.",
        name="data",
    )
    part: str | None = option("Part of the data; test by default.")
    image_column: str | None = option("Parquet column of the images.")
    label_column: str | None = option("Parquet column of the labels.")
    first: int = option("Index of the first sample.", default=0, least=0)
    limit: int | None = option("Number of samples.", least=1)
    bounds: tuple[float, float] | None = option(
        "Smallest and largest input value, as 0,1; the model's by default.", read=numbers
    )
    levels: int | None = option(
        "Values that the sensor can give between the bounds; the model's by default.", least=2
    )
    seed: int = option("Of everything random.", default=0, least=0, most=2**32 - 1)

    def __post_init__(self) -> None:
        in_range(Source, self)
        if self.bounds is not None:
            checked_bounds(self.bounds, str(questions(Source)["bounds"]))

    @property
    def end(self) -> int | None:
        """Index after the last sample; None for all."""
        return None if self.limit is None else self.first + self.limit


def checked_bounds(bounds: tuple[float, ...], what: str) -> None:
    """Refuse bounds that are no range."""
    if len(bounds) != 2 or not all(map(isfinite, bounds)) or bounds[0] >= bounds[1]:
        shown = ",".join(f"{bound:g}" for bound in bounds)
        raise InvalidInput(f"{what} is {shown}; give two finite numbers, the smaller one first")
