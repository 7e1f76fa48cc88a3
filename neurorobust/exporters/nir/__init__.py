"""Graph → ``.nir`` files."""

from neurorobust.exporters.nir.save import NirCall, save_nir

__all__ = ["NirCall", "save_nir"]
