"""Threat models, one file each: what an attacker may do, enforced and measured."""

from neurorobust.attacks.threats.base import THREATS, Threat, make_threat
from neurorobust.attacks.threats.events import Events
from neurorobust.attacks.threats.l2 import L2
from neurorobust.attacks.threats.linf import Linf
from neurorobust.attacks.threats.retiming import Retiming

__all__ = ["L2", "THREATS", "Events", "Linf", "Retiming", "Threat", "make_threat"]
