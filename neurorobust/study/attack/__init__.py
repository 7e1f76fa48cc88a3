"""Many attacks on one network, audited: what stands behind a number for its robustness."""

from neurorobust.study.attack.audited import audit_attacks
from neurorobust.study.attack.crafters import crafters
from neurorobust.study.attack.run import Attacked, Trial, attack_all
from neurorobust.study.attack.store import write_attacks

__all__ = ["Attacked", "Trial", "attack_all", "audit_attacks", "crafters", "write_attacks"]
