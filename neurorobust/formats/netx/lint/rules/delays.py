"""Delays that are not what the file says."""

import numpy as np

from neurorobust.formats.netx.lint.case import Case
from neurorobust.formats.netx.lint.finding import Seen, rule
from neurorobust.formats.netx.weights import optimise
from neurorobust.ir.fixed import DELAY_MAX


@rule("delay-clipped", "error", avoid=f"train with delays of at most {DELAY_MAX} steps")
def clipped(case: Case) -> Seen:
    """Delays beyond what netx holds."""
    for record, _, _ in case.dense:
        delay = record.values.get("delay", np.zeros(()))
        if delay.max() > DELAY_MAX:
            count = int((delay > DELAY_MAX).sum())
            what = f"{count} delay(s) of up to {delay.max():g} steps become {DELAY_MAX}"
            yield record.index, what


@rule("conv-delay-ignored", "error", avoid="train convolutions without delays")
def in_convolution(case: Case) -> Seen:
    """Delays of a convolution, which netx does not read."""
    for record in case.records:
        delay = record.values.get("delay", np.zeros(()))
        if record.type == "conv" and delay.any():
            count, size = int((delay != 0).sum()), delay.size
            what = (
                f"delays of up to {delay.max():g} steps ({count} of {size}) are not read; all act"
            )
            yield record.index, f"{what} at once"


@rule("recurrent-delay", "error", avoid="train recurrent layers without delays")
def in_recurrence(case: Case) -> Seen:
    """Delays of a recurrent layer: the exponent is lost, and the recurrence waits, too."""
    for record, weight, recurrent in case.dense:
        if recurrent is None or "delay" not in record.values:
            continue
        whole = np.hstack([weight, recurrent])
        if whole.any():
            factor = 1 << max(optimise(whole).shift, 0)
            delay = record.values["delay"]
            what = f"weights act {factor} times as strong, and the recurrence waits up to"
            yield record.index, f"{what} {min(delay.max(), DELAY_MAX):g} steps, too"


@rule("delay-per-output", "note", avoid="store delays as (out, in)")
def per_output(case: Case) -> Seen:
    """One delay per neuron in a square layer, which could be meant per input or per output."""
    for record, weight, _ in case.dense:
        delay = record.values.get("delay")
        square = weight.shape[0] == weight.shape[1]
        if delay is not None and delay.ndim == 1 and delay.any() and square and delay.size > 1:
            yield record.index, f"{delay.size} delays of a square layer are taken per output"


@rule(
    "delays-cross-reset",
    "warning",
    avoid="leave as many silent steps between stimuli as the longest delay",
)
def across_resets(case: Case) -> Seen:
    """Spikes on their way when neurons are reset."""
    for record, _, _ in case.dense:
        delay = record.values.get("delay", np.zeros(()))
        if case.call.reset_interval is not None and delay.any():
            longest = int(min(delay.max(), DELAY_MAX))
            what = f"a reset leaves spikes of the last {longest} steps on their way"
            yield record.index, f"{what}; they act on the next stimulus"
