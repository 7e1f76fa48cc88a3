"""Threat models, attacks, and frozen attack sets.

A new attack is one file with one class in ``optimisers`` or ``events``; nothing else names it.
"""

from neurorobust.attacks.base import ATTACKS, Attack, GradientAttack
from neurorobust.attacks.checkpoint import Parts
from neurorobust.attacks.draws import Draws
from neurorobust.attacks.ensemble import Ensemble, ensemble
from neurorobust.attacks.knowledge import Knowledge
from neurorobust.attacks.optimisers.apgd import Apgd
from neurorobust.attacks.optimisers.bim import Bim
from neurorobust.attacks.optimisers.cw import CarliniWagner
from neurorobust.attacks.optimisers.fgsm import Fgsm
from neurorobust.attacks.optimisers.mifgsm import MiFgsm
from neurorobust.attacks.optimisers.noise import GaussianNoise, SignNoise, UniformNoise
from neurorobust.attacks.optimisers.pgd import Pgd
from neurorobust.attacks.optimisers.rfgsm import RFgsm
from neurorobust.attacks.optimisers.sapgd import SaPgd
from neurorobust.attacks.optimisers.spsa import Spsa
from neurorobust.attacks.optimisers.square import Square
from neurorobust.attacks.registry import attack_names, make_attack
from neurorobust.attacks.request import Crafted, Request
from neurorobust.attacks.sets import AttackSet, craft
from neurorobust.attacks.target import Queried, Target
from neurorobust.attacks.targeted import Targeted, every_target
from neurorobust.attacks.threats import L2, THREATS, Events, Linf, Retiming, Threat, make_threat
from neurorobust.attacks.transferred import Transferred
from neurorobust.methods import METHODS

__all__ = [
    "ATTACKS",
    "L2",
    "METHODS",
    "THREATS",
    "Apgd",
    "Attack",
    "AttackSet",
    "Bim",
    "CarliniWagner",
    "Crafted",
    "Draws",
    "Ensemble",
    "Events",
    "Fgsm",
    "GaussianNoise",
    "GradientAttack",
    "Knowledge",
    "Linf",
    "MiFgsm",
    "Parts",
    "Pgd",
    "Queried",
    "RFgsm",
    "Request",
    "Retiming",
    "SaPgd",
    "SignNoise",
    "Spsa",
    "Square",
    "Target",
    "Targeted",
    "Threat",
    "Transferred",
    "UniformNoise",
    "attack_names",
    "craft",
    "ensemble",
    "every_target",
    "make_attack",
    "make_threat",
]
