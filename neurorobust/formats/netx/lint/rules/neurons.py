"""Neuron parameters that are not what the file says."""

import numpy as np

from neurorobust.formats.netx.lint.case import Case
from neurorobust.formats.netx.lint.finding import Seen, rule
from neurorobust.formats.netx.reading.neurons import SILENT
from neurorobust.ir.fixed import DECAY_ONE, STATE_SHIFT

MANTISSA_MAX = (1 << 12) - 1
"""Largest mantissa of a bias on a chip: 13 bits with sign."""
_WIDE = np.iinfo(np.int16)
EPSILON_LOST = 4096
"""Threshold mantissa from which on 0.01 / 4096 is lost beside the threshold in 32-bit floats."""


@rule("bias-wraps", "error", avoid="keep biases within -32768..32767")
def bias_wraps(case: Case) -> Seen:
    """Biases beyond 16 bits."""
    for record, bias in case.biased:
        over = (bias < _WIDE.min) | (bias > _WIDE.max)
        if over.any():
            first = int(bias[over][0])
            wrapped = (first - _WIDE.min) % (1 << 16) + _WIDE.min
            yield record.index, f"bias {first} becomes {wrapped} ({int(over.sum())} in all)"


@rule(
    "bias-needs-more-than-13-bits",
    "warning",
    avoid=f"keep biases within -{MANTISSA_MAX}..{MANTISSA_MAX}",
)
def bias_wide(case: Case) -> Seen:
    """Biases that Lava's simulation takes and the mantissa of a chip does not hold."""
    for record, bias in case.biased:
        over = (np.abs(bias) > MANTISSA_MAX) & (bias >= _WIDE.min) & (bias <= _WIDE.max)
        if over.any():
            largest = int(bias[over][np.abs(bias[over]).argmax()])
            what = f"bias {largest} ({int(over.sum())} in all beyond ±{MANTISSA_MAX}) needs more"
            yield record.index, f"{what} than the 13 bits of a chip's mantissa; simulation takes 16"


@rule("refractory-ignored", "warning", avoid="train with a refractory delay of 1")
def refractory(case: Case) -> Seen:
    """Refractory steps, which netx does not read."""
    for record, delay in case.cuba("refDelay"):
        if delay.max() > 1:
            what = f"refDelay {delay.max():g} is not read; neurons can fire again in the next step"
            yield record.index, what


@rule("graded-spikes-ignored", "error", avoid="train with binary spikes")
def graded_spikes(case: Case) -> Seen:
    """Graded spikes, which netx sends as ones."""
    for record, graded in case.cuba("gradedSpike"):
        if graded.any():
            yield record.index, "gradedSpike is not read; every spike counts as 1"


@rule("weight-exponent-ignored", "error", avoid="write weights that need no exponent")
def weight_exponent(case: Case) -> Seen:
    """Exponents of weights, which netx does not read."""
    for record in case.records:
        for name in ("weight_exp", "wgtExp"):
            for place, values in (("", record.values), ("neuron/", record.neuron or {})):
                exponent = values.get(name, np.zeros(()))
                if exponent.any():
                    largest = exponent.ravel()[np.abs(exponent).argmax()]
                    what = f"{place}{name} {largest:g} is not read; weights act by a factor of"
                    yield record.index, f"{what} 2^{-largest:g} off"


@rule("threshold-epsilon", "note", avoid=f"use a scale at which vThMant is below {EPSILON_LOST}")
def threshold_epsilon(case: Case) -> Seen:
    """Thresholds at which SLAYER fires on equality and Lava does not."""
    for record, vth in case.cuba("vThMant"):
        touched = (vth >= EPSILON_LOST) & (vth < SILENT - 1)
        if touched.any():
            largest = int(vth[touched].max())
            at = f"v = {largest << STATE_SHIFT}"
            yield record.index, f"vThMant {largest}: SLAYER fires at {at} already, Lava above it"


@rule("input-decay-ignored", "warning", avoid="give the input population a current_decay of 1")
def input_decay(case: Case) -> Seen:
    """A current decay of an input population, whose input enters behind the current."""
    for record in case.records:
        decay = (record.neuron or {}).get("iDecay")
        if record.type == "input" and decay is not None and (decay != DECAY_ONE).any():
            what = f"iDecay {decay.min():g} has no effect: the input enters as bias; SLAYER filters"
            yield record.index, f"{what} it with {1 - decay.min() / DECAY_ONE:.3g} per step"
