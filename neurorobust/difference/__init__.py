"""Where two networks part that should be one: by how much, since when, and why."""

from neurorobust.difference.api import diff
from neurorobust.difference.loading import Reading
from neurorobust.difference.result import Cause, Difference, Divergence, Layer
from neurorobust.difference.side import Side

__all__ = ["Cause", "Difference", "Divergence", "Layer", "Reading", "Side", "diff"]
