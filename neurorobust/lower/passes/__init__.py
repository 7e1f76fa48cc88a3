"""The passes, one per file, each a function from model to model."""

from neurorobust.lower.passes.drop_unreached import drop_unreached
from neurorobust.lower.passes.fold_batch_norm import fold_batch_norm
from neurorobust.lower.passes.fold_gains import fold_gains
from neurorobust.lower.passes.fold_preprocessing import fold_preprocessing
from neurorobust.lower.passes.one_synapse import one_synapse
from neurorobust.lower.passes.pool_to_conv import pool_to_conv
from neurorobust.lower.passes.round_weights import round_weights
from neurorobust.lower.passes.shift_reset import shift_reset
from neurorobust.lower.passes.to_fixed import to_fixed

__all__ = [
    "drop_unreached",
    "fold_batch_norm",
    "fold_gains",
    "fold_preprocessing",
    "one_synapse",
    "pool_to_conv",
    "round_weights",
    "shift_reset",
    "to_fixed",
]
