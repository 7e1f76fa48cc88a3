"""Where two networks part that should be one: by how much, since when, and why."""

from neurorobust.compare.result import Cause, Difference, Divergence, Layer
from neurorobust.compare.sides import Side

__all__ = ["Cause", "Difference", "Divergence", "Layer", "Side"]
