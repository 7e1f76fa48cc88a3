"""Attacks on event frames, one file each."""

from neurorobust.attacks.events.dvs import CornerAttack, DashAttack, FrameAttack
from neurorobust.attacks.events.flips import EventFlips
from neurorobust.attacks.events.retimed import SpikeRetiming
from neurorobust.attacks.events.sda import SparseDynamicAttack
from neurorobust.attacks.events.spikefool import SpikeFool

__all__ = [
    "CornerAttack",
    "DashAttack",
    "EventFlips",
    "FrameAttack",
    "SparseDynamicAttack",
    "SpikeFool",
    "SpikeRetiming",
]
