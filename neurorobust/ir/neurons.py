"""The neurons: LIF (with current-based synapse, every reset in use) and the LI readout.

The discrete law, per neuron and step ``t`` (before the first step: ``i_init`` and ``v_init``)::

    i[t] = alpha i[t-1] + gain_in x[t]               (without alpha: i[t] = gain_in x[t])
    h[t] = beta v[t-1] + gain_syn i[t] + bias
    s[t] = h[t] > threshold  or  h[t] >= threshold   (compare)
    v[t] = reset of h[t] by s[t], then at least v_min

One record states what the sources of these models leave open: which comparison, which reset, when
it acts, from where the state starts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from neurorobust.ir.base import Array, Node, array
from neurorobust.names import known_are

Compare = Literal[">", ">="]
ResetMode = Literal["hard", "soft", "none"]
ResetTiming = Literal["same", "next"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LIF(Node):
    """Leaky integrate-and-fire neuron; ``beta = 1`` is IF, a given ``alpha`` makes it CuBa.

    Reset, with ``a`` the soft amount (``reset_value``, by default the threshold) and ``r`` the hard
    target (``reset_value``, by default 0):

    ========  ==========================  ===============================================
    mode      timing ``same``             timing ``next``
    ========  ==========================  ===============================================
    hard      ``v[t] = r`` where s[t]     ``h[t] = r`` where s[t-1] (its input is lost)
    soft      ``v[t] = h[t] - a s[t]``    ``h[t] = beta v[t-1] + ... - a s[t-1]``
    none      ``v[t] = h[t]``             same
    ========  ==========================  ===============================================

    Attributes:
        beta: Membrane decay per step, 0..1.
        threshold: Firing threshold, units of the membrane.
        alpha: Synaptic current decay per step, 0..1, or None for no synaptic state.
        gain_in: Factor on the input.
        gain_syn: Factor from synaptic current to membrane.
        bias: Constant drive of the membrane per step (a leak target is ``(1-beta) v_leak``).
        compare: ``>`` or ``>=`` at the threshold.
        reset: ``hard``, ``soft`` or ``none``.
        reset_timing: ``same`` step or ``next`` step.
        reset_value: Hard target or soft amount; None takes 0 (hard) or the threshold (soft).
        v_init: Membrane before the first step.
        i_init: Synaptic current before the first step.
        v_min: Lower bound of the membrane after reset, or None.
        max_spikes: Most spikes in one step; above 1, ``s`` counts the whole thresholds in ``h``.
        refractory: Steps after a spike in which the membrane rests at its reset value and nothing
            fires; input in these steps is lost.

    All arrays are scalars or broadcast to the population, e.g. (C, 1, 1) for one value per channel.
    """

    spiking: ClassVar[bool] = True
    stateful: ClassVar[bool] = True
    population: ClassVar[bool] = True

    beta: Array = array()
    threshold: Array = array()
    alpha: Array | None = array(None)
    gain_in: Array = array(1.0)
    gain_syn: Array = array(1.0)
    bias: Array = array(0.0)
    compare: Compare = ">"
    reset: ResetMode = "hard"
    reset_timing: ResetTiming = "same"
    reset_value: Array | None = array(None)
    v_init: Array = array(0.0)
    i_init: Array = array(0.0)
    v_min: Array | None = array(None)
    max_spikes: int = 1
    refractory: int = 0

    @property
    def reset_to(self) -> Array:
        """The hard target or the soft amount, with its default filled in."""
        if self.reset_value is not None:
            return self.reset_value
        return self.threshold if self.reset == "soft" else np.zeros(())

    def faults(self) -> Iterable[str]:
        """Faults of ranges and names."""
        yield from super(LIF, self).faults()
        for name, value in (("beta", self.beta), ("alpha", self.alpha)):
            yield from _decay_faults(name, value)
        for name, allowed in (
            ("compare", Compare),
            ("reset", ResetMode),
            ("reset_timing", ResetTiming),
        ):
            if getattr(self, name) not in get_args(allowed):
                given = getattr(self, name)
                yield f"{name} is {given!r}; {known_are(given, get_args(allowed))}"
        if not 1 <= self.max_spikes <= 255:
            yield f"max_spikes is {self.max_spikes}; spikes of a step are counted in 8 bits, 1..255"
        if self.refractory < 0:
            yield f"refractory is {self.refractory} steps; it must be at least 0"
        if self.max_spikes > 1 and (self.threshold <= 0).any():
            yield "max_spikes above 1 counts whole thresholds and needs a threshold above 0"
        if self.max_spikes > 1 and self.reset_timing == "next":
            yield "max_spikes above 1 is defined for a reset in the same step only"
        if self.refractory and (self.reset != "hard" or self.reset_timing != "same"):
            yield "refractory steps are defined for a hard reset in the same step only"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LI(Node):
    """Leaky integrator without threshold: ``v[t] = beta v[t-1] + gain_in x[t] + bias``.

    Attributes:
        beta: Membrane decay per step, 0..1; 1 sums.
        gain_in: Factor on the input.
        bias: Constant drive per step.
        v_init: Membrane before the first step.
    """

    stateful: ClassVar[bool] = True
    population: ClassVar[bool] = True

    beta: Array = array()
    gain_in: Array = array(1.0)
    bias: Array = array(0.0)
    v_init: Array = array(0.0)

    def faults(self) -> Iterable[str]:
        """Faults of ranges."""
        yield from super(LI, self).faults()
        yield from _decay_faults("beta", self.beta)


def _decay_faults(name: str, value: Array | None) -> Iterable[str]:
    if value is not None and ((value < 0) | (value > 1)).any():
        yield f"{name} is outside 0..1 (min {value.min()}, max {value.max()})"
