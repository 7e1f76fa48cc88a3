"""Lowering from end to end: the passes a profile asks for, in order."""

from neurorobust.ir import Graph, Program
from neurorobust.lower.fold_batch_norm import fold_batch_norm
from neurorobust.lower.fold_gains import fold_gains
from neurorobust.lower.fold_preprocessing import fold_preprocessing
from neurorobust.lower.limits import Limits
from neurorobust.lower.round_weights import round_weights
from neurorobust.lower.to_fixed import to_fixed
from neurorobust.profiles.schema import FloatArithmetic, LoihiArithmetic, Profile, whole


def lower(graph: Graph, profile: Profile) -> Graph | Program:
    """The network in the arithmetic of a profile.

    Returns:
        A Program for integer targets (rung ``quantised``); a Graph where only weights, or nothing,
        are rounded (rung ``float``).

    Raises:
        LowerError: listing everything that has no exact form on the target.
    """
    arithmetic = profile.arithmetic
    if isinstance(arithmetic, FloatArithmetic):
        return graph
    folded = fold_batch_norm(graph)
    if isinstance(arithmetic, LoihiArithmetic):
        plain = fold_gains(fold_preprocessing(folded))
        return to_fixed(plain, Limits.of(arithmetic), profile=profile.id)
    return round_weights(folded, whole(arithmetic.weight_bits, "weight_bits"))
