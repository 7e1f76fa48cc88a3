"""``.nir`` files → Graph."""

from neurorobust.importers.nir.load import load_nir

__all__ = ["load_nir"]
