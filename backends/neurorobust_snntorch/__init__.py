"""The network in snnTorch's own neurons."""

from neurorobust_snntorch.backend import backend

__all__ = ["backend"]
