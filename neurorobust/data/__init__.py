"""Stimuli, encoders and the built-in data."""

from neurorobust.data.stimulus import Stimulus, encode

__all__ = ["Stimulus", "encode"]
