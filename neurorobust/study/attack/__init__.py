"""Many attacks on one network, audited: what stands behind a number for its robustness."""

from neurorobust.study.attack.audited import audit_campaign
from neurorobust.study.attack.run import Campaign, Trial, attack_all
from neurorobust.study.attack.spelled import crafters
from neurorobust.study.attack.store import write_campaign

__all__ = ["Campaign", "Trial", "attack_all", "audit_campaign", "crafters", "write_campaign"]
