"""The rules, each for one kind of finding."""

from neurorobust.formats.netx.lint.finding import Rule
from neurorobust.formats.netx.lint.rules import calls, delays, loading, neurons, resets, weights

RULES: tuple[Rule, ...] = (
    loading.CANNOT_LOAD,
    loading.NOT_EXAMINED,
    weights.ALL_BECOME_ZERO,
    weights.CLIPPED,
    weights.LOST_STEP,
    weights.FRACTIONS,
    weights.NINE_BITS,
    delays.CLIPPED,
    delays.IN_CONVOLUTION,
    delays.IN_RECURRENCE,
    delays.SQUARE,
    delays.ACROSS_RESETS,
    neurons.BIAS_WRAPS,
    neurons.BIAS_WIDE,
    neurons.REFRACTORY,
    neurons.GRADED,
    neurons.WEIGHT_EXPONENT,
    neurons.THRESHOLD_EPSILON,
    neurons.INPUT_DECAY,
    resets.OFFSET,
    resets.LEAD_IN,
    resets.LEAD_IN_TRAVELS,
    calls.FLOAT_MODEL,
    calls.PAYLOADS,
    calls.INPUT_PORT,
)
"""All rules, in the order in which they are tried."""
