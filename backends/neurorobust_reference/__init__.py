"""The golden model in NumPy: what a Graph or a Program means, in code written to be read."""

from neurorobust_reference.backend import ReferenceBackend

__all__ = ["ReferenceBackend", "backend"]

backend = ReferenceBackend()
