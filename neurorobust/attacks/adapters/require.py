"""Importing what is optional, or saying how to get it."""

from importlib import import_module
from typing import Any

from neurorobust.errors import BackendUnavailable


def require(module: str, install: str) -> Any:
    """A module of an optional library.

    Raises:
        BackendUnavailable: if it is not installed, with the command that adds it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        msg = f"{module.partition('.')[0]} cannot be imported ({error}): {install}"
        raise BackendUnavailable(msg) from error
