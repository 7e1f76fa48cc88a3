"""What will go wrong, without an error message, when netx runs a ``.net`` file."""

from neurorobust.doctor.examine import examine
from neurorobust.doctor.finding import Finding, Severity
from neurorobust.doctor.rules import RULES

__all__ = ["RULES", "Finding", "Severity", "examine"]
