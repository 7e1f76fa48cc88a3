"""Attacks of other libraries on the models of this one; each library is imported when used."""

from neurorobust.attacks.adapters.art import to_art, to_art_black_box
from neurorobust.attacks.adapters.autoattack import to_autoattack
from neurorobust.attacks.adapters.foolbox import FoolboxStyle, to_foolbox
from neurorobust.attacks.adapters.module import ScoresModule
from neurorobust.attacks.adapters.torchattacks import to_torchattacks

__all__ = [
    "FoolboxStyle",
    "ScoresModule",
    "to_art",
    "to_art_black_box",
    "to_autoattack",
    "to_foolbox",
    "to_torchattacks",
]
