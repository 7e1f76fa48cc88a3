"""Modules of torch → Graph: of snnTorch, Norse and SpikingJelly, and chains of our own layers."""

from neurorobust.formats.modules.importing import from_module

__all__ = ["from_module"]
