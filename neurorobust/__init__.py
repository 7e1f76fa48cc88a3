"""What happens to a spiking network, and to attacks on it, on the way to a neuromorphic chip."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurorobust.api import diff as diff

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """``neurorobust.diff``, imported when it is wanted."""
    if name == "diff":
        from neurorobust.api import diff

        return diff
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
