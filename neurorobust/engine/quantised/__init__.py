"""A Program as a differentiable network: values of the integer engine, gradients of a Graph."""

from neurorobust.engine.quantised.strain import STRAINS, StrainedTarget
from neurorobust.engine.quantised.target import IntegerTarget

__all__ = ["STRAINS", "IntegerTarget", "StrainedTarget"]
