"""Images with labels, as every data set gives them."""

from dataclasses import dataclass

from neurorobust.ir import Array

LEVELS = 256
"""Pixels have 8 bits, as a sensor gives them."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Images and labels.

    Attributes:
        pixels: Shape (B, C, H, W), uint8.
        labels: Shape (B,), from 0.
        formats: File formats the images were decoded from, sorted; empty where they came as pixels.
    """

    pixels: Array
    labels: Array
    formats: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def values(self) -> Array:
        """Pixels as input values in 0..1, float64, on the grid of 1/255."""
        scaled: Array = self.pixels / (LEVELS - 1)
        return scaled

    def head(self, count: int | None) -> "Split":
        """The first images only; all of them without a count."""
        return Split(self.pixels[:count], self.labels[:count], self.formats)
