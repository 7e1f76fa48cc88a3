"""``.nir`` files: Graph in and out."""

from neurorobust.formats.nir.save import NirCall, save_nir

__all__ = ["NirCall", "save_nir"]
