"""Many attacks on one network, audited: what stands behind a number for its robustness."""

from neurorobust.campaign.audited import audit_campaign
from neurorobust.campaign.run import Campaign, Trial, attack_all
from neurorobust.campaign.spelled import crafters
from neurorobust.campaign.store import write_campaign

__all__ = ["Campaign", "Trial", "attack_all", "audit_campaign", "crafters", "write_campaign"]
