"""``.nir`` files: Graph in and out."""

from neurorobust.formats.nir.load import load_nir
from neurorobust.formats.nir.save import NirCall, save_nir

__all__ = ["NirCall", "load_nir", "save_nir"]
