"""``.net`` files of lava-dl's netx: Program in and out, and what goes wrong in them silently."""

from neurorobust.formats.netx.call import NetxCall
from neurorobust.formats.netx.save import save_netx
from neurorobust.formats.netx.timing import netx_latency

__all__ = ["NetxCall", "netx_latency", "save_netx"]
