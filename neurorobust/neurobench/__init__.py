"""NeuroBench: its metrics by exact counting, and an adapter on which its own code runs."""

from neurorobust.neurobench.count import count
from neurorobust.neurobench.counts import Counts, LayerCounts, PopulationCounts

__all__ = ["Counts", "LayerCounts", "PopulationCounts", "count"]
