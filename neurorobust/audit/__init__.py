"""The audit of a robustness evaluation: does its number mean what it says?"""

from neurorobust.audit.bench import Bench
from neurorobust.audit.card import EvaluationCard, Finding, Status
from neurorobust.audit.checks import CHECKS
from neurorobust.audit.evaluation import Evaluation, Replay, Reported
from neurorobust.audit.foreign import Differentiable, Evaluated
from neurorobust.audit.html import page, write_card
from neurorobust.audit.run import audit, standard_panel

__all__ = [
    "CHECKS",
    "Bench",
    "Differentiable",
    "Evaluated",
    "Evaluation",
    "EvaluationCard",
    "Finding",
    "Replay",
    "Reported",
    "Status",
    "audit",
    "page",
    "standard_panel",
    "write_card",
]
