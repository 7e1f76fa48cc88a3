"""NeuroBench: its metrics by exact counting, and an adapter on which its own code runs."""

from neurorobust.metrics.neurobench.count import count
from neurorobust.metrics.neurobench.counts import Counts, LayerCounts, PopulationCounts

__all__ = ["Counts", "LayerCounts", "PopulationCounts", "count"]
