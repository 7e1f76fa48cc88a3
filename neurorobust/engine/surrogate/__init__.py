"""Gradient estimators, one file each: the forward law never changes, only the backward rule."""

from neurorobust.engine.surrogate.base import (
    ESTIMATORS,
    Estimator,
    assert_forward_identity,
    make_estimator,
)
from neurorobust.engine.surrogate.rate import RateEstimator, collapses
from neurorobust.engine.surrogate.rga import Rga
from neurorobust.engine.surrogate.stbp import SURROGATES, Stbp

__all__ = [
    "ESTIMATORS",
    "SURROGATES",
    "Estimator",
    "RateEstimator",
    "Rga",
    "Stbp",
    "assert_forward_identity",
    "collapses",
    "make_estimator",
]
