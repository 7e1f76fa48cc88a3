"""Program → ``.net`` files of lava-dl's netx."""

from neurorobust.exporters.netx.save import save_netx

__all__ = ["save_netx"]
