"""The neurons of NIR, discretised.

With ``x = dt/tau``, decays are ``beta = 1 - x`` (``euler``) or ``exp(-x)`` (``exponential``), and::

    LIF, LI       h[t] = beta v[t-1] + r x input[t] + (1 - beta) v_leak
    CubaLIF       i[t] = alpha i[t-1] + w_in dt/tau_syn input[t],   h with i for the input
    IF, I         h[t] = v[t-1] + r dt input[t]
    Threshold     s[t] = input[t] > threshold
"""

from collections.abc import Mapping

import numpy as np

from neurorobust.formats.nir.reading.parameters import Parameters
from neurorobust.formats.reading import give
from neurorobust.ir import LI, LIF, Array, Node
from neurorobust.ir.neurons import ResetMode

_FAST, _SLOW, _STILL = 20.0, 1e-4, 2.0**-53
"""Steps per time constant beyond which a unit is doubted; below the last, nothing leaks."""


def _units(dt_s: float) -> str:
    return (
        "NIR states no unit, and its writers use seconds, milliseconds or steps: pass "
        f"{give('time_unit_s', 1e-3, dt_s)}, or {give('time_unit_s', 1)} if it is meant in seconds"
    )


def lif(of: Parameters) -> list[Node]:
    """``tau v' = v_leak - v + R I``."""
    return [_spiking(of, *_membrane(of, "tau"))]


def cuba_lif(of: Parameters) -> list[Node]:
    """The same, with a current ``tau_syn I' = -I + w_in S``."""
    alpha, gain = _current(of)
    beta, gain_syn, bias = _membrane(of, "tau_mem")
    return [_spiking(of, beta, gain, bias, alpha=alpha, gain_syn=gain_syn)]


def integrate_and_fire(of: Parameters) -> list[Node]:
    """``v' = R I``."""
    return [_spiking(of, np.ones(()), _step_gain(of), np.zeros(()))]


def li(of: Parameters) -> list[Node]:
    """LIF without threshold."""
    return [_leaky(of, "tau")]


def cuba_li(of: Parameters) -> list[Node]:
    """CubaLIF without threshold: the current and the membrane, each a leaky integrator."""
    alpha, gain = _current(of)
    return [LI(beta=alpha, gain_in=gain), _leaky(of, "tau_mem")]


def integrator(of: Parameters) -> list[Node]:
    """``v' = R I`` without threshold."""
    return [LI(beta=np.ones(()), gain_in=_step_gain(of))]


def threshold(of: Parameters) -> list[Node]:
    """A neuron that forgets everything: ``beta = 0``, no reset."""
    level = of.per_neuron("threshold")
    return [LIF(beta=np.zeros(()), threshold=level, compare=of.rules.compare, reset="none")]


def _step_gain(of: Parameters) -> Array:
    return of.per_neuron("r") * (of.rules.step_s / of.rules.unit_s)


def _current(of: Parameters) -> tuple[Array, Array]:
    """Decay and gain of the synaptic current."""
    alpha, _, fast = _decay(of, "tau_syn")
    return alpha, fast * (of.per_neuron("w_in") if "w_in" in of.entry.values else 1.0)


def _membrane(of: Parameters, tau: str) -> tuple[Array, Array, Array]:
    """Decay, gain and bias of a leaky membrane."""
    beta, leak, x = _decay(of, tau)
    bias = leak * of.per_neuron("v_leak")
    return beta, of.per_neuron("r") * x, bias


def _leaky(of: Parameters, tau: str) -> LI:
    beta, gain, bias = _membrane(of, tau)
    return LI(beta=beta, gain_in=gain, bias=bias, v_init=_start(of))


def _spiking(
    of: Parameters,
    beta: Array,
    gain: Array,
    bias: Array,
    *,
    alpha: Array | None = None,
    gain_syn: Array | float = 1.0,
) -> LIF:
    reset, v_reset = _reset(of)
    return LIF(
        beta=beta,
        threshold=of.per_neuron("v_threshold"),
        alpha=alpha,
        gain_in=gain,
        gain_syn=np.asarray(gain_syn),
        bias=bias,
        compare=of.rules.compare,
        reset=reset,
        reset_value=v_reset if reset == "hard" and v_reset.any() else None,
        v_init=_start(of),
    )


def _reset(of: Parameters) -> tuple[ResetMode, Array]:
    given = of.rules.reset
    mode = given.get(of.name) if isinstance(given, Mapping) else given
    if mode is None:
        way_out = (
            f"pass {give('reset', 'hard', 'soft', 'none')} (to v_reset, by the threshold, not at "
            f"all), or one by neuron, as {give('reset', {of.name: 'hard'})}"
        )
        raise of.fault("its reset is not in the file, and NIR has no word for it", way_out)
    v_reset = _v_reset(of)
    if mode == "soft" and v_reset.any():
        what = f"v_reset is {_span(v_reset)}, but the reset is to be soft, which has no target"
        raise of.fault(what, f"pass {give('reset', 'hard')}, or write v_reset = 0")
    return mode, v_reset


def _v_reset(of: Parameters) -> Array:
    return of.per_neuron("v_reset") if "v_reset" in of.entry.values else np.zeros(())


def _start(of: Parameters) -> Array:
    """The membrane before the first step; where all candidates are 0, it is."""
    choices = {"zero": np.zeros(()), "leak": of.per_neuron("v_leak")} if _leaks(of) else {}
    if "v_threshold" in of.entry.values:
        choices["reset"] = _v_reset(of)
    if not any(value.any() for value in choices.values()):
        return np.zeros(())
    if of.rules.v_init is None:
        listed = ", ".join(f"v_{k} = {_span(v)}" for k, v in choices.items() if k != "zero")
        what = f"NIR does not say where the membrane starts ({listed})"
        known = give("v_init", "zero", "leak", "reset")
        raise of.fault(what, f"pass {known} (as Norse: leak; as SpikingJelly: reset)")
    return choices.get(of.rules.v_init, np.zeros(()))


def _leaks(of: Parameters) -> bool:
    return "v_leak" in of.entry.values


def _decay(of: Parameters, key: str) -> tuple[Array, Array, Array]:
    """Factor per step, what leaks of a constant, and ``dt/tau``."""
    tau, dt = of.per_neuron(key), of.rules.step_s
    if not (tau > 0).all():
        raise of.fault(f"{key} is {_span(tau)}; a time constant is above 0", "repair it")
    x = dt / (tau * of.rules.unit_s)
    euler = of.rules.discretisation == "euler"
    seen = f"{key} is {_span(tau)}, which with {give('dt_s', dt)} is {_span(1 / x)} steps"
    if euler and (x > 1).any():
        what = f"{seen}; below one step, Euler's decay 1 - dt/tau is negative"
        other = f"a smaller {give('dt_s')} or {give('discretisation', 'exponential')}"
        raise of.fault(what, f"pass {other}. Or {_units(dt)}")
    doubtful = ((x < _SLOW) & (x > _STILL)) | (x > _FAST)
    if of.rules.time_unit_s is None and doubtful.any():
        raise of.fault(f"{seen}, which is implausible", _units(dt))
    return (1 - x, x, x) if euler else (np.exp(-x), -np.expm1(-x), x)


def _span(value: Array) -> str:
    low, high = float(value.min()), float(value.max())
    return f"{low:g}" if low == high else f"{low:g}..{high:g}"
