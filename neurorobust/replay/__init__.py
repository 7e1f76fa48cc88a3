"""Frozen attacks on every backend and rung."""

from neurorobust.replay.lanes import RUNGS, Lane, Skipped, open_lanes
from neurorobust.replay.run import Batch, Replay, replay, thresholds

__all__ = ["RUNGS", "Batch", "Lane", "Replay", "Skipped", "open_lanes", "replay", "thresholds"]
