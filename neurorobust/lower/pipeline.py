"""Lowering from end to end: the passes a profile asks for, in order."""

from dataclasses import replace
from typing import Any

import numpy as np

from neurorobust.asking import argument
from neurorobust.chips.arithmetic import (
    FloatArithmetic,
    InputCoding,
    LoihiArithmetic,
    WeightArithmetic,
)
from neurorobust.chips.leaf import whole
from neurorobust.chips.schema import Profile
from neurorobust.compare.lowering import measure, shown
from neurorobust.data import Stimulus
from neurorobust.engine.host import sent
from neurorobust.errors import InvalidInput, LowerError
from neurorobust.ir import Array, Graph, Program
from neurorobust.lower.input_coding import Coded, binary_input, coded
from neurorobust.lower.log import Log
from neurorobust.lower.passes.drop_unreached import drop_unreached
from neurorobust.lower.passes.fold_batch_norm import fold_batch_norm
from neurorobust.lower.passes.fold_gains import fold_gains
from neurorobust.lower.passes.fold_preprocessing import fold_preprocessing
from neurorobust.lower.passes.one_synapse import one_synapse
from neurorobust.lower.passes.pool_to_conv import pool_to_conv
from neurorobust.lower.passes.round_weights import round_weights
from neurorobust.lower.passes.shift_reset import shift_reset
from neurorobust.lower.passes.to_fixed import to_fixed
from neurorobust.lower.population.calibration import Calibration
from neurorobust.lower.population.limits import Limits
from neurorobust.lower.population.scaling import Rule, Scaling

CODINGS: tuple[InputCoding, ...] = ("graded", "bias", "host")
PASSES = (
    pool_to_conv,
    fold_batch_norm,
    one_synapse,
    fold_preprocessing,
    fold_gains,
    shift_reset,
    drop_unreached,
)
"""From a float network to one that ``to_fixed`` takes."""


def lower(
    graph: Graph,
    profile: Profile,
    *,
    scaling: Scaling = "max_abs",
    percentile: float = 99.9,
    weight_bits: int | None = None,
    decay_bits: int | None = None,
    input_coding: InputCoding | None = None,
    calibration: Array | None = None,
) -> Graph | Program:
    """The network in the arithmetic of a profile.

    Args:
        graph: The network as trained.
        profile: The target.
        scaling: How the scale of each population is chosen; see ``lower.population.scaling``.
        percentile: Of the weights that the scaling ``percentile`` keeps whole.
        weight_bits: Fewer than the profile's, 2 or more.
        decay_bits: Fewer than the profile's, 1 or more.
        input_coding: How the input enters; None takes spikes as they are, and otherwise the first
            coding of the profile.
        calibration: Samples as ``encode`` takes them. On them the scaling ``spikes`` chooses, and
            the report says what lowering changed.

    Returns:
        A Program for integer targets (rung ``quantised``); a Graph where only weights, or nothing,
        are rounded (rung ``float``).

    Raises:
        LowerError: listing everything that has no exact form on the target, or comes to nothing.
        InvalidInput: for what is no Graph or no Profile, an option that the target has not, or a
            rule without its data.
    """
    _require_kinds(graph, profile)
    weight_bits = _bits("weight_bits", weight_bits)
    decay_bits = _bits("decay_bits", decay_bits)
    arithmetic = profile.arithmetic
    rule = Rule(scaling, percentile)
    if isinstance(arithmetic, LoihiArithmetic):
        limits = Limits.of(arithmetic).narrowed(weight_bits=weight_bits, decay_bits=decay_bits)
        coding = _coding(arithmetic, profile.id, graph, input_coding)
        others = tuple(other for other in _codings(arithmetic) if other != coding)
        codings = (coding, *others)
        return _integers(graph, limits, profile.id, rule=rule, codings=codings, samples=calibration)
    integer_only = {
        "scaling": scaling != "max_abs",
        "decay_bits": decay_bits is not None,
        "input_coding": input_coding is not None,
        "calibration": calibration is not None,
    }
    if given := [name for name, used in integer_only.items() if used]:
        name = argument(given[0])
        msg = (
            f"{name} has no effect: {profile.id} has no integers to scale; lower for another target"
        )
        raise InvalidInput(msg)
    if isinstance(arithmetic, FloatArithmetic):
        if weight_bits is not None:
            name = argument("weight_bits")
            raise InvalidInput(f"{name} is {weight_bits}; {profile.id} rounds nothing")
        return graph
    if not isinstance(arithmetic, WeightArithmetic):
        raise LowerError(
            f"{profile.id} computes by a law of its own ({arithmetic.law!r}), which has no engine "
            "here; lower for another target, such as loihi2, or check the network against this one"
        )
    most = whole(arithmetic.weight_bits, "weight_bits")
    bits = most if weight_bits is None else weight_bits
    if bits > most:
        name = argument("weight_bits")
        raise InvalidInput(f"{name} is {bits}; {profile.id} has {most}, choose from 2..{most}")
    return round_weights(fold_batch_norm(graph), bits)


def _require_kinds(graph: object, profile: object) -> None:
    if isinstance(graph, Program):
        msg = "it is a Program already, in integers; lower the Graph that it came from"
        raise InvalidInput(msg)
    if not isinstance(graph, Graph):
        msg = f"graph is {graph!r}; lower takes a Graph, as load_model(path, Graph) gives"
        raise InvalidInput(msg)
    if not isinstance(profile, Profile):
        msg = f"profile is {profile!r}; lower takes a Profile, as load_profile(name).profile is one"
        raise InvalidInput(msg)


def _bits(name: str, value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InvalidInput(f"{argument(name)} is {value!r}; it must be a whole number")
    return int(value)


def _coding(
    arithmetic: LoihiArithmetic, profile: str, graph: Graph, wanted: InputCoding | None
) -> InputCoding:
    """The coding that is asked for, or the profile's first; spikes enter any target as they are."""
    allowed = _codings(arithmetic)
    if binary_input(graph.header) and wanted in (None, "graded"):
        return "graded"
    if wanted is None:
        return allowed[0]
    if wanted not in allowed:
        name = argument("input_coding")
        raise InvalidInput(f"{name} is {wanted!r}; {profile} takes {' or '.join(allowed)}")
    return wanted


def _codings(arithmetic: LoihiArithmetic) -> list[InputCoding]:
    """Those that a target takes, its first one first."""
    leaf = arithmetic.input_codings
    listed = leaf.value if leaf is not None else None
    order = listed if isinstance(listed, list) else CODINGS
    return [known for coding in order for known in CODINGS if known == coding]


def _integers(
    graph: Graph,
    limits: Limits,
    profile: str,
    *,
    rule: Rule,
    codings: tuple[InputCoding, ...],
    samples: Array | None,
) -> Program:
    if rule.scaling == "spikes" and samples is None:
        name, data = argument("scaling"), argument("calibration")
        raise InvalidInput(f"{name} is 'spikes', which chooses on data; give {data}, samples")
    log = Log()
    # A current that is computed on the host holds the shift of the reset, too.
    coding, *others = codings
    counted = shift_reset(graph, log) if coding == "bias" else graph
    parts = coded(counted, coding, log, others=others)
    log.end_pass()
    rest = parts.graph
    for change in PASSES:
        rest = change(rest, log)
    judge = None
    if rule.scaling == "spikes" and samples is not None and not log.refused:
        judge = Calibration(graph, samples, rest, _sent(graph, parts, samples))
    program = to_fixed(rest, limits, profile=profile, rule=rule, log=log, calibration=judge)
    if parts.host is not None:
        header = replace(graph.header, mean=(), std=())
        report = program.report
        if parts.first:
            report = [{"layer": parts.first, "limited_by": "computed on the host"}, *report]
        program = program.with_(header=header, host=parts.host, report=report)
    # Of what the caller has in hand, not of what the passes made of it.
    program = program.with_(source_hash=graph.content_hash)
    if samples is not None:
        program = program.with_(report=_joined(program.report, measure(graph, program, samples)))
    return program


def _sent(graph: Graph, parts: Coded, samples: Array) -> Stimulus | None:
    if parts.host is None:
        return None
    return sent(parts.host, parts.graph.input_shape, shown(graph, samples))


def _joined(report: list[dict[str, Any]], added: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_layer = {row["layer"]: row for row in added}
    return [row | by_layer.get(row["layer"], {}) for row in report]
