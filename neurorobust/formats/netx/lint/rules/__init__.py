"""The rules, each for one kind of finding."""

from neurorobust.formats.netx.lint.finding import Rule
from neurorobust.formats.netx.lint.rules import calls, delays, loading, neurons, resets, weights
from neurorobust.rules import gathered

RULES = gathered(Rule, loading, weights, delays, neurons, resets, calls)
"""All rules, in the order in which they are tried."""
