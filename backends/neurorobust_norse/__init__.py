"""The network in Norse's own neurons."""

from neurorobust_norse.backend import backend

__all__ = ["backend"]
