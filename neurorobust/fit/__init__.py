"""Whether a network fits on a chip, where it goes, and what that costs.

What needs the engine or a drawing library is imported from its own file: ``check`` (``checking``),
``measure`` (``activity``), ``page`` (``html``), ``cores_figure`` (``figure``).
"""

from neurorobust.fit.extract import extract
from neurorobust.fit.placement import Core, LayerPlacement, Placement, place, with_cores
from neurorobust.fit.result import Check, Costs, Estimate, Result

__all__ = [
    "Check",
    "Core",
    "Costs",
    "Estimate",
    "LayerPlacement",
    "Placement",
    "Result",
    "extract",
    "place",
    "with_cores",
]
