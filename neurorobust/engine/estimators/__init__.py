"""Gradient estimators, one file each: the forward law never changes, only the backward rule."""

from neurorobust.engine.estimators.assg import Assg
from neurorobust.engine.estimators.base import (
    ESTIMATORS,
    Estimator,
    assert_forward_identity,
    estimator_of,
    make_estimator,
)
from neurorobust.engine.estimators.bptr import Bptr
from neurorobust.engine.estimators.cba import Cba
from neurorobust.engine.estimators.encoding import bernoulli, expected_gradient
from neurorobust.engine.estimators.hart import Hart
from neurorobust.engine.estimators.mix import Mix
from neurorobust.engine.estimators.pdsg import Pdsg
from neurorobust.engine.estimators.rate import RateEstimator, collapses
from neurorobust.engine.estimators.rga import Rga
from neurorobust.engine.estimators.shapes import SURROGATES
from neurorobust.engine.estimators.stbp import Stbp
from neurorobust.engine.estimators.time_extended import TimeExtended
from neurorobust.engine.estimators.tune import tune

__all__ = [
    "ESTIMATORS",
    "SURROGATES",
    "Assg",
    "Bptr",
    "Cba",
    "Estimator",
    "Hart",
    "Mix",
    "Pdsg",
    "RateEstimator",
    "Rga",
    "Stbp",
    "TimeExtended",
    "assert_forward_identity",
    "bernoulli",
    "collapses",
    "estimator_of",
    "expected_gradient",
    "make_estimator",
    "tune",
]
