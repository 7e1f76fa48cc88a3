"""A Program as a differentiable network: values of the integer engine, gradients of a Graph."""

from neurorobust.engine.integer_gradient.strain import STRAINS, StrainedTarget
from neurorobust.engine.integer_gradient.target import IntegerTarget

__all__ = ["STRAINS", "IntegerTarget", "StrainedTarget"]
