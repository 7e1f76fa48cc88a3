"""The torch backend: rungs ``float`` and ``quantised`` on CPU or GPU, the surrogate of attacks."""

from neurorobust_torch.backend import backend

__all__ = ["backend"]
