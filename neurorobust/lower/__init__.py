"""From a Graph to a chip's arithmetic: passes, then populations on integer scales."""

from neurorobust.chips.arithmetic import InputCoding
from neurorobust.lower.pipeline import lower
from neurorobust.lower.population.limits import Limits
from neurorobust.lower.population.scaling import Rule, Scaling

__all__ = ["InputCoding", "Limits", "Rule", "Scaling", "lower"]
