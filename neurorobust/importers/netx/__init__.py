"""``.net`` files of lava-dl's netx → Program."""

from neurorobust.importers.netx.call import NetxCall
from neurorobust.importers.netx.program import load_netx
from neurorobust.importers.netx.timing import netx_latency

__all__ = ["NetxCall", "load_netx", "netx_latency"]
