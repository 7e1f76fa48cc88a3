"""The laboratory: lava-dl's own netx and SLAYER in the worker, for those who test against them."""

from neurorobust_lava.lava_dl.netx import LAVA_DL, NetxLayer, NetxRecord, run_netx
from neurorobust_lava.lava_dl.slayer import SlayerBlock, slayer_forward

__all__ = ["LAVA_DL", "NetxLayer", "NetxRecord", "SlayerBlock", "run_netx", "slayer_forward"]
