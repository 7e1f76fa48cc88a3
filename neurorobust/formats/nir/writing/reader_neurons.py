"""The neurons as snnTorch, Norse and SpikingJelly read them from NIR.

All three take one step of ``dt`` and differ in what they ignore: Norse ``r`` of a LIF, snnTorch
``v_reset`` and thresholds that vary, SpikingJelly what is not the same for all neurons. With
``l = 1 - beta`` and the level ``theta = threshold / gain``::

    portable, LIF         tau = dt/l   r = 1      v_threshold = l theta
    portable, CubaLIF     tau_syn = dt/(1 - alpha)   tau_mem = dt/l   w_in = tau_syn/dt
                          r = tau_mem/dt   v_threshold = theta;   IF and beta = 0 with tau_syn = dt
    snntorch              LIF with r = tau/dt and v_threshold = theta; CubaLIF as above
    norse                 as portable, per neuron; IF with r = 1; soft reset as CubaLIF

A tie (``h = threshold``) must fall as ``compare`` says, although readers compare with ``>``
(snnTorch, Norse) or ``>=`` (SpikingJelly) and round differently in single precision. So the level
moves by 2**-21 of itself, up for ``>`` and down for ``>=``; snnTorch alone needs the next smaller
single for ``>=`` only.
"""

from collections.abc import Iterable

import numpy as np

from neurorobust.formats.nir.document import Entry
from neurorobust.formats.nir.writing.strict import STILL, leak_of, neurons
from neurorobust.ir import LIF, Array, Shape

_NUDGE = 2.0**-21
_FOLD = "move it into the bias of the map before"


def neuron_faults(node: LIF, profile: str) -> Iterable[str]:
    """What the readers of a profile cannot carry exactly."""
    yield from _reset_faults(node, profile)
    yield from _state_faults(node)
    if not (_gain(node) > 0).all():
        yield "a gain that is not above 0; fold it into the weights before"
    elif not (node.threshold > 0).all():
        yield "a threshold that is not above 0"
    elif profile != "norse" and np.unique(node.threshold / _gain(node)).size > 1:
        yield "thresholds (over gain) that differ: snnTorch needs one; use profile 'norse'"
    if profile == "portable":
        for name, value in (("beta", node.beta), ("alpha", node.alpha)):
            if value is not None and np.unique(value).size > 1:
                yield f"{name} that differs: SpikingJelly needs one; use 'snntorch' or 'norse'"


def _reset_faults(node: LIF, profile: str) -> Iterable[str]:
    if node.reset == "none":
        yield "reset 'none': NIR always resets"
    if node.reset_timing == "next" and node.reset != "none":
        yield "reset_timing 'next': readers reset in the same step"
    if node.reset == "soft":
        if profile != "norse":
            yield "reset 'soft': readers reset hard without a word; use profile 'norse' or 'strict'"
        elif node.reset_value is not None and (node.reset_value != node.threshold).any():
            yield "soft reset_value other than the threshold: Norse subtracts the threshold"
    elif node.reset == "hard" and node.reset_to.any():
        yield "hard reset to other than 0: snnTorch and Norse ignore v_reset"


def _state_faults(node: LIF) -> Iterable[str]:
    if node.bias.any():
        yield f"bias: a leak target also sets where readers start; {_FOLD}"
    if node.v_init.any() or (node.alpha is not None and node.i_init.any()):
        yield "v_init or i_init other than 0: readers start at 0"
    if node.v_min is not None:
        yield "v_min: no reader has a lower bound"
    if node.max_spikes > 1:
        yield "max_spikes above 1: readers fire once per step"
    if node.refractory:
        yield "refractory steps: no reader has them"


def neuron_entry(node: LIF, shape: Shape, profile: str, dt_s: float) -> Entry:
    """The NIR node of neurons without faults."""
    leak = leak_of(node.beta)
    level = node.threshold / _gain(node)
    still = leak == STILL
    values: dict[str, Array | float]
    if node.alpha is None and profile == "snntorch":
        values = {"tau": dt_s / leak, "r": 1 / leak, "v_threshold": _next(level, node)}
        return _entry("LIF", values, shape)
    if node.alpha is None and node.reset == "hard" and profile == "norse" and still.all():
        values = {"r": 1.0, "v_threshold": _next(level, node)}
        return _entry("IF", values, shape)
    forgets = profile == "portable" and (node.beta == 0).any()
    if node.alpha is None and node.reset == "hard" and not still.any() and not forgets:
        values = {"tau": dt_s / leak, "r": 1.0, "v_threshold": _moved(level, node) * leak}
        return _entry("LIF", values, shape)
    fast = leak_of(np.zeros(()) if node.alpha is None else node.alpha)
    move = _next if profile == "snntorch" else _moved
    values = {
        "tau_syn": dt_s / fast,
        "tau_mem": dt_s / leak,
        "w_in": 1 / fast,
        "r": 1 / leak,
        "v_threshold": move(level, node),
    }
    return _entry("CubaLIF", values, shape)


def _gain(node: LIF) -> Array:
    gain: Array = node.gain_in.astype(np.float64) * node.gain_syn
    return gain


def _moved(level: Array, node: LIF) -> Array:
    """The level beside all ties, by more than single precision rounds."""
    return level * (1 + _NUDGE if node.compare == ">" else 1 - _NUDGE)


def _next(level: Array, node: LIF) -> Array:
    """The level for a reader that fires above it and rounds no membrane of its own."""
    if node.compare == ">":
        return level
    return np.nextafter(level.astype(np.float32), np.float32(-np.inf)).astype(np.float64)


def _entry(kind: str, values: dict[str, Array | float], shape: Shape) -> Entry:
    values = values | {"v_reset": 0.0} | ({"v_leak": 0.0} if kind != "IF" else {})
    return neurons(kind, values, shape)
