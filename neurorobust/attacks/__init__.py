"""Threat models, attacks, and frozen attack sets."""

from neurorobust.attacks.apgd import Apgd
from neurorobust.attacks.arithmetic import ArithmeticAttack, Provoked, provoked
from neurorobust.attacks.attackset import AttackSet
from neurorobust.attacks.base import ATTACKS, Attack, GradientAttack
from neurorobust.attacks.bim import Bim
from neurorobust.attacks.case import Case
from neurorobust.attacks.craft import craft
from neurorobust.attacks.crafted import Crafted
from neurorobust.attacks.criteria import Misclassification, TargetedMisclassification
from neurorobust.attacks.cw import CarliniWagner
from neurorobust.attacks.draws import Draws
from neurorobust.attacks.ensemble import Ensemble, Verdict, ensemble
from neurorobust.attacks.events import (
    CornerAttack,
    DashAttack,
    EventFlips,
    FrameAttack,
    SparseDynamicAttack,
    SpikeFool,
    SpikeRetiming,
)
from neurorobust.attacks.exchange import to_events, to_frames
from neurorobust.attacks.fgsm import Fgsm
from neurorobust.attacks.knowledge import Knowledge, on_other_arithmetic
from neurorobust.attacks.losses import LOSSES
from neurorobust.attacks.mifgsm import MiFgsm
from neurorobust.attacks.noise import GaussianNoise, SignNoise, UniformNoise
from neurorobust.attacks.parts import Parts
from neurorobust.attacks.pgd import Pgd
from neurorobust.attacks.registry import attack_names, make_attack
from neurorobust.attacks.rfgsm import RFgsm
from neurorobust.attacks.sapgd import SaPgd
from neurorobust.attacks.spsa import Spsa
from neurorobust.attacks.square import Square
from neurorobust.attacks.target import Queried, Target
from neurorobust.attacks.targeted import EveryTarget, Targeted, every_target
from neurorobust.attacks.threats import L2, THREATS, Events, Linf, Retiming, Threat, make_threat
from neurorobust.attacks.transferred import Transferred

__all__ = [
    "ATTACKS",
    "L2",
    "LOSSES",
    "THREATS",
    "Apgd",
    "ArithmeticAttack",
    "Attack",
    "AttackSet",
    "Bim",
    "CarliniWagner",
    "Case",
    "CornerAttack",
    "Crafted",
    "DashAttack",
    "Draws",
    "Ensemble",
    "EventFlips",
    "Events",
    "EveryTarget",
    "Fgsm",
    "FrameAttack",
    "GaussianNoise",
    "GradientAttack",
    "Knowledge",
    "Linf",
    "MiFgsm",
    "Misclassification",
    "Parts",
    "Pgd",
    "Provoked",
    "Queried",
    "RFgsm",
    "Retiming",
    "SaPgd",
    "SignNoise",
    "SparseDynamicAttack",
    "SpikeFool",
    "SpikeRetiming",
    "Spsa",
    "Square",
    "Target",
    "Targeted",
    "TargetedMisclassification",
    "Threat",
    "Transferred",
    "UniformNoise",
    "Verdict",
    "attack_names",
    "craft",
    "ensemble",
    "every_target",
    "make_attack",
    "make_threat",
    "on_other_arithmetic",
    "provoked",
    "to_events",
    "to_frames",
]
