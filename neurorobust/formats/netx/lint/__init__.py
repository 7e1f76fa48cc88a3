"""What will go wrong, without an error message, when netx runs a ``.net`` file."""

from neurorobust.formats.netx.lint.examine import examine
from neurorobust.formats.netx.lint.finding import Finding, Severity
from neurorobust.formats.netx.lint.rules import RULES

__all__ = ["RULES", "Finding", "Severity", "examine"]
