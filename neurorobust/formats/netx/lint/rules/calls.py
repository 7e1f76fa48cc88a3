"""What goes wrong in how the network is run."""

import numpy as np

from neurorobust.formats.netx.lint.case import FIXED, Case
from neurorobust.formats.netx.lint.finding import Seen, rule


@rule("float-model", "error", avoid='run with Loihi2SimCfg(select_tag="fixed_pt")')
def float_model(case: Case) -> Seen:
    """A run in floats, in which decays of 1/4096 are taken as whole numbers."""
    if case.select_tag == FIXED:
        return
    for record, decay in case.cuba("iDecay"):
        du = int(np.max(decay)) - 1
        what = f"with select_tag={case.select_tag!r} the current is multiplied by 1 - {du}"
        yield record.index, f"{what} = {1 - du} in every step"
        return


@rule("payloads-count-as-one", "error", avoid="pass input_message_bits, or send 0 and 1 only")
def payloads(case: Case) -> Seen:
    """Inputs other than 0 and 1 without message bits."""
    if case.input_range is None or case.call.input_message_bits or case.block:
        return
    low, high = case.input_range
    if low < 0 or high > 1:
        worst = low if low < 0 else high
        yield None, f"without input_message_bits an input of {worst} counts as 1"


@rule(
    "input-port-unusable",
    "note",
    avoid="set net.in_layer.neuron.bias_mant to x weight + bias of the transform",
)
def input_port(case: Case) -> Seen:
    """The port of an input population, which does not compile."""
    if case.block:
        yield case.plan.layers[0].index, "a source connected to net.inp fails when it is compiled"
