"""Samples, where they come from, and how they are shown to a network."""

from neurorobust.data.loading import DIGITS, load
from neurorobust.data.samples import LEVELS, Samples
from neurorobust.data.stimulus import Stimulus, encode

__all__ = ["DIGITS", "LEVELS", "Samples", "Stimulus", "encode", "load"]
