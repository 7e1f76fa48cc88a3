"""Samples, where they come from, and how they are shown to a network.

Names are imported when they are first asked for: the command line declares its options from
``Source`` and is to start without the libraries that read data.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from neurorobust.data.source import DIGITS, Source

if TYPE_CHECKING:
    from neurorobust.data.loading import load as load
    from neurorobust.data.samples import LEVELS as LEVELS
    from neurorobust.data.samples import Samples as Samples
    from neurorobust.data.stimulus import Stimulus as Stimulus
    from neurorobust.data.stimulus import encode as encode

__all__ = ["DIGITS", "LEVELS", "Samples", "Source", "Stimulus", "encode", "load"]

_AT = {
    "LEVELS": "samples",
    "Samples": "samples",
    "Stimulus": "stimulus",
    "encode": "stimulus",
    "load": "loading",
}


def __getattr__(name: str) -> Any:
    if name not in _AT:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_AT[name]}"), name)
