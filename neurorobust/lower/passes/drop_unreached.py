"""Pass: what a neuron states but can never meet is taken out.

Each with a proof over all inputs within the header's bounds and its T steps:

1. a reset of neurons without memory (``beta = 0``) acts on nothing: any mode becomes hard to 0, and
   a lower bound and an initial membrane go;
2. a lower bound that no sum of inputs reaches goes;
3. several spikes per step become one where no membrane can exceed two thresholds.
"""

from dataclasses import replace

import numpy as np

from neurorobust.ir import LIF, Array, Graph
from neurorobust.lower.log import Log, graph_pass
from neurorobust.lower.ranges import drive_range, held, lowest_membrane

_ROUNDING = 1e-9
"""Share of a threshold by which rounding may not decide."""


@graph_pass
def drop_unreached(graph: Graph, log: Log) -> Graph:
    """The same spikes without the bounds and modes that have no effect.

    Args:
        graph: Gains are 1 and hard resets go to 0.
        log: Takes notes.
    """
    for name, lif in graph.of_kind(LIF):
        changed = lif
        if _forgets(lif):
            changed = replace(
                lif,
                reset="hard",
                reset_timing="same",
                reset_value=None,
                v_init=np.zeros(()),
                v_min=None,
            )
            if (changed.reset, changed.reset_timing) != (lif.reset, lif.reset_timing):
                log.note(name, f"reset {lif.reset!r} left out: it has no memory")
        if _bound_is_out_of_reach(graph, name, changed):
            changed = replace(changed, v_min=None)
            log.note(name, "lower bound left out: out of reach")
        if _second_spike_is_out_of_reach(graph, name, changed):
            changed = replace(changed, max_spikes=1)
            log.note(name, "one spike per step: a second is out of reach")
        if changed is not lif:
            graph = graph.with_(nodes={**graph.nodes, name: changed})
    return graph


def _forgets(lif: LIF) -> bool:
    """Whether nothing of a membrane outlives a step, and its reset says something else."""
    at_once = lif.reset_timing == "same" or lif.reset == "none"
    plain = lif.reset == "hard" and lif.v_min is None and not lif.v_init.any()
    return not lif.beta.any() and at_once and not lif.refractory and not plain


def _starts_from_zero(lif: LIF) -> bool:
    hard = (lif.reset, lif.reset_timing, lif.refractory) == ("hard", "same", 0)
    return hard and not (lif.reset_to.any() or lif.v_init.any() or lif.i_init.any())


def _bound_is_out_of_reach(graph: Graph, name: str, lif: LIF) -> bool:
    if lif.v_min is None or not _starts_from_zero(lif):
        return False
    lowest = lowest_membrane(graph, name)
    return lowest is not None and bool((lowest >= lif.v_min).all())


def _second_spike_is_out_of_reach(graph: Graph, name: str, lif: LIF) -> bool:
    if lif.max_spikes == 1 or not _starts_from_zero(lif):
        return False
    ends = drive_range(graph, name)
    if ends is None or (lif.v_min is not None and (lif.v_min > 0).any()):
        return False
    high: Array = ends[1]
    if lif.alpha is not None:
        high = high * held(lif.alpha, graph.header.steps)
    # Between spikes the membrane stays at or below the threshold.
    reached = lif.beta * lif.threshold + np.maximum(high + lif.bias, 0)
    return bool((reached < 2 * lif.threshold * (1 - _ROUNDING)).all())
