"""Whether a network fits on a chip, where it goes, and what that costs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from neurorobust.fit.extract import extract
from neurorobust.fit.placement import Core, LayerPlacement, Placement, place, with_cores
from neurorobust.fit.result import Check, Costs, Estimate, Result

if TYPE_CHECKING:
    from neurorobust.fit.activity import Activity, measure
    from neurorobust.fit.checking import check
    from neurorobust.fit.figure import cores_figure, save_figure
    from neurorobust.fit.html import page, write_page

__all__ = [
    "Activity",
    "Check",
    "Core",
    "Costs",
    "Estimate",
    "LayerPlacement",
    "Placement",
    "Result",
    "check",
    "cores_figure",
    "extract",
    "measure",
    "page",
    "place",
    "save_figure",
    "with_cores",
    "write_page",
]

_LATER = {
    "Activity": "activity",
    "measure": "activity",
    "check": "checking",
    "cores_figure": "figure",
    "save_figure": "figure",
    "page": "html",
    "write_page": "html",
}
"""Names whose modules need the engine or a drawing library, by module."""


def __getattr__(name: str) -> Any:
    """Import what is heavy when it is first asked for, so that placing stays light."""
    if name not in _LATER:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    found = getattr(import_module(f"neurorobust.fit.{_LATER[name]}"), name)
    globals()[name] = found
    return found
