"""From a Graph to a chip's arithmetic: one pass per file, each a function from model to model."""

from neurorobust.lower.drop_unreached import drop_unreached
from neurorobust.lower.fold_batch_norm import fold_batch_norm
from neurorobust.lower.fold_gains import fold_gains
from neurorobust.lower.fold_preprocessing import fold_preprocessing
from neurorobust.lower.limits import Limits
from neurorobust.lower.measure import measure
from neurorobust.lower.one_synapse import one_synapse
from neurorobust.lower.pipeline import lower
from neurorobust.lower.pool_to_conv import pool_to_conv
from neurorobust.lower.round_weights import round_weights
from neurorobust.lower.scaling import Rule, Scaling
from neurorobust.lower.shift_reset import shift_reset
from neurorobust.lower.to_fixed import to_fixed
from neurorobust.profiles.arithmetic import InputCoding

__all__ = [
    "InputCoding",
    "Limits",
    "Rule",
    "Scaling",
    "drop_unreached",
    "fold_batch_norm",
    "fold_gains",
    "fold_preprocessing",
    "lower",
    "measure",
    "one_synapse",
    "pool_to_conv",
    "round_weights",
    "shift_reset",
    "to_fixed",
]
