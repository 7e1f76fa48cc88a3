"""Threat models, attacks, and frozen attack sets."""

from neurorobust.attacks.attackset import AttackSet, craft
from neurorobust.attacks.base import Attack, Crafted, Target
from neurorobust.attacks.fgsm import Fgsm
from neurorobust.attacks.noise import UniformNoise
from neurorobust.attacks.pgd import Pgd
from neurorobust.attacks.threat import Linf

__all__ = [
    "Attack",
    "AttackSet",
    "Crafted",
    "Fgsm",
    "Linf",
    "Pgd",
    "Target",
    "UniformNoise",
    "craft",
]
