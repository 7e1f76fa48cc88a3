"""From a Graph to a chip's arithmetic: one pass per file, each a function from model to model."""

from neurorobust.lower.fold_batch_norm import fold_batch_norm
from neurorobust.lower.fold_gains import fold_gains
from neurorobust.lower.fold_preprocessing import fold_preprocessing
from neurorobust.lower.limits import Limits
from neurorobust.lower.pipeline import lower
from neurorobust.lower.round_weights import round_weights
from neurorobust.lower.to_fixed import to_fixed

__all__ = [
    "Limits",
    "fold_batch_norm",
    "fold_gains",
    "fold_preprocessing",
    "lower",
    "round_weights",
    "to_fixed",
]
