"""Holding the integers of a Program against the widths of a chip of the integer law.

What the law itself bounds (strides and groups to 127, exponents of weights) a Program cannot break.
"""

from collections.abc import Iterator

import numpy as np

from neurorobust import ir
from neurorobust.chips.arithmetic import LoihiArithmetic
from neurorobust.chips.leaf import Leaf
from neurorobust.chips.schema import Profile
from neurorobust.fit.extract import bias_coded
from neurorobust.fit.result import Result, held
from neurorobust.ir.fixed import DECAY_ONE


def widths(program: ir.Program, profile: Profile) -> Iterator[Result]:
    """Results for mantissas, exponents, thresholds, decays and messages; none for unknown widths.

    With b bits: mantissas of biases lie within ``2^(b-1) - 1``, thresholds within ``2^b - 1``, and
    decays are multiples of ``4096 / 2^b``.
    """
    arithmetic = profile.arithmetic
    if not isinstance(arithmetic, LoihiArithmetic):
        return
    for name, node in program.nodes.items():
        if isinstance(node, ir.FixedNeuron):
            yield from _neuron(name, node, arithmetic, profile)
    source = program.nodes[program.input]
    assert isinstance(source, ir.FixedInput)  # noqa: S101  # of every Program
    if bias_coded(program):
        if program.host is None:  # a range of the file's format, not of what will be sent
            return
        bits = arithmetic.bias_mantissa_bits
        used, bound = max(-source.low, source.high), _bound(bits, sign=True)
        yield from _most("bias mantissa", program.input, used, bound, leaf=bits, profile=profile)
    elif arithmetic.input_codings is not None:
        yield _messages(program, source, arithmetic.input_codings, profile)


def _neuron(
    name: str, node: ir.FixedNeuron, arithmetic: LoihiArithmetic, profile: Profile
) -> Iterator[Result]:
    mantissa, exponent = np.broadcast_arrays(node.bias_mant, node.bias_exp)
    acting = exponent[mantissa != 0]
    if acting.size:
        bits, leaf = arithmetic.bias_mantissa_bits, arithmetic.bias_exponent_max
        bound = _bound(bits, sign=True)
        yield from _most("bias mantissa", name, _peak(mantissa), bound, leaf=bits, profile=profile)
        top = leaf.value if isinstance(leaf.value, int) else None
        yield from _most("bias exponent", name, int(acting.max()), top, leaf=leaf, profile=profile)
        low, least = int(acting.min()), "bias exponent, at least"
        yield from _most(least, name, low, 0, leaf=leaf, profile=profile, sense="least")
    thresholds: tuple[ir.Array, ...] = ()
    if isinstance(node, ir.FixedLIF):
        thresholds = (node.vth,)
    elif isinstance(node, ir.FixedTernaryLIF):
        thresholds = (node.vth_high, node.vth_low)
    bits = arithmetic.threshold_bits
    for threshold in thresholds:
        used, bound = _peak(threshold), _bound(bits, sign=False)
        yield from _most("threshold", name, used, bound, leaf=bits, profile=profile)
    bits = arithmetic.decay_bits
    most = bits.value if isinstance(bits.value, int) else None
    decays = np.concatenate([np.ravel(DECAY_ONE - 1 - node.du), np.ravel(DECAY_ONE - node.dv)])
    yield from _most("decay bits", name, _fraction_bits(decays), most, leaf=bits, profile=profile)


def _peak(values: ir.Array) -> int:
    return int(np.abs(values.astype(np.int64)).max())


def _bound(bits: Leaf, *, sign: bool) -> int | None:
    return (1 << (bits.value - sign)) - 1 if isinstance(bits.value, int) else None


def _fraction_bits(decays: ir.Array) -> int:
    """Bits of a fraction of 4096 that all decays share."""
    shared = int(np.bitwise_or.reduce(decays.astype(np.int64), initial=DECAY_ONE))
    return (DECAY_ONE // (shared & -shared)).bit_length() - 1


def _messages(
    program: ir.Program, source: ir.FixedInput, codings: Leaf, profile: Profile
) -> Result:
    """Whether the chip is sent payloads, and may be."""
    wide = (source.low, source.high) != (0, 1)
    readers = [program.nodes[edge.target] for edge in program.outgoing(program.input)]
    bare = all(isinstance(node, ir.FixedDense) and node.message_bits == 0 for node in readers)
    graded = wide and not bare
    listed = codings.value if isinstance(codings.value, list) else []
    allowed = ("spikes", "graded") if "graded" in listed else ("spikes",)
    return held(
        "messages",
        codings,
        profile,
        "graded" if graded else "spikes",
        limit=allowed,
        advice="lower with the input coding 'bias' or 'host'",
        kind="wall",
        layer=program.input,
        sense="one_of",
    )


def _most(
    constraint: str,
    layer: str,
    used: int,
    limit: int | None,
    *,
    leaf: Leaf,
    profile: Profile,
    sense: str = "most",
) -> Iterator[Result]:
    if limit is not None:
        yield held(
            constraint,
            leaf,
            profile,
            used,
            limit=limit,
            advice="lower the Graph for this profile",
            kind="wall",
            layer=layer,
            sense=sense,
            unit="bit" if constraint == "decay bits" else "1",
        )
