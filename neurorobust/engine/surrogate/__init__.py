"""Gradient estimators, one file each: the forward law never changes, only the backward rule."""

from neurorobust.engine.surrogate.assg import Assg
from neurorobust.engine.surrogate.base import (
    ESTIMATORS,
    Estimator,
    assert_forward_identity,
    make_estimator,
)
from neurorobust.engine.surrogate.bptr import Bptr
from neurorobust.engine.surrogate.cba import Cba
from neurorobust.engine.surrogate.encoding import bernoulli, expected_gradient
from neurorobust.engine.surrogate.hart import Hart
from neurorobust.engine.surrogate.mix import Mix
from neurorobust.engine.surrogate.pdsg import Pdsg
from neurorobust.engine.surrogate.rate import RateEstimator, collapses
from neurorobust.engine.surrogate.rga import Rga
from neurorobust.engine.surrogate.shapes import SURROGATES
from neurorobust.engine.surrogate.stbp import Stbp
from neurorobust.engine.surrogate.time_extended import TimeExtended
from neurorobust.engine.surrogate.tune import tune

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
    "expected_gradient",
    "make_estimator",
    "tune",
]
