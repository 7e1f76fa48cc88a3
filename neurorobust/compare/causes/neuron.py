"""Causes in the neurons of a layer: comparison, resets, decays, gain, biases, states."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, get_args

import numpy as np

from neurorobust.compare.causes.base import Hypothesis
from neurorobust.compare.causes.fit import Family
from neurorobust.ir import LI, LIF
from neurorobust.ir.neurons import ResetMode

_SCALES = tuple(2.0 ** (j / 2) for j in range(-16, 17))
_SIGNED = tuple(np.linspace(-2.0, 2.0, 33).tolist())
_LONGEST_REST = 8
_ZERO, _ONE = np.zeros(()), np.ones(())
_MODES = {"hard": "hard", "soft": "by subtraction", "none": "not at all"}

Change = tuple[str, str, dict[str, Any]]
"""A cause, what differs in words, and the fields of the neurons that say so."""
Numbered = tuple[str, str, Sequence[float], Callable[[float], dict[str, Any] | None]]
"""The same with a number ``k``: the numbers to start from, and the fields of one; None for no law.
"""


def laws(law: LIF | LI) -> Iterator[Hypothesis]:
    """Other laws without a free number."""
    lif = chain(_firing(law), _resets(law)) if isinstance(law, LIF) else ()
    for cause, text, fields in chain(_common(law), lif):
        yield Hypothesis(cause=cause, text=text, law=replace(law, **fields))


def families(law: LIF | LI) -> Iterator[Family]:
    """Other laws with one free number."""
    lif = _lif_numbers(law) if isinstance(law, LIF) else ()
    for cause, text, grid, fields in chain(_numbers(law), lif):
        yield Family(make=_made(law, cause, text, fields), grid=grid)


def _made(
    law: LIF | LI, cause: str, text: str, fields: Callable[[float], dict[str, Any] | None]
) -> Callable[[float], Hypothesis | None]:
    def make(k: float) -> Hypothesis | None:
        changed = fields(k)
        if changed is None:
            return None
        return Hypothesis(cause=cause, text=text.format(k=k), law=replace(law, **changed))

    return make


def _common(law: LIF | LI) -> Iterator[Change]:
    if law.bias.any():
        yield "lost bias", "{y} lacks the neurons' bias", {"bias": np.zeros_like(law.bias)}
    if law.v_init.any():
        yield "initial state", "the membrane of {y} starts at 0", {"v_init": _ZERO}
    rest = 1 - law.beta
    for text, factor in (
        ("{y} takes the input times 1 - beta", rest),
        ("{y} takes the input without the factor 1 - beta", 1 / np.where(rest > 0, rest, 1)),
        ("{y} lacks the input gain of {x}", 1 / np.where(law.gain_in != 0, law.gain_in, 1)),
    ):
        if (factor != 1).any():
            yield "input gain", text, {"gain_in": law.gain_in * factor}
    for text, beta in (
        ("{y} does not leak", _ONE),
        ("{y} decays by exp(-(1 - beta)), {x} by beta", np.exp(-rest)),
    ):
        if (beta != law.beta).any():
            yield "dt", text, {"beta": beta}


def _firing(law: LIF) -> Iterator[Change]:
    other = ">" if law.compare == ">=" else ">="
    text = f"{{y}} fires at h {other} threshold, {{x}} at h {law.compare} threshold"
    yield "compare", text, {"compare": other}
    if law.max_spikes > 1:
        yield "spikes per step", "{y} fires once per step", {"max_spikes": 1}
    elif law.reset_timing == "same" and (law.threshold > 0).all():
        yield "spikes per step", "{y} counts whole thresholds", {"max_spikes": 255}
    if law.v_min is not None:
        yield "lower bound", "{y} has no lower bound", {"v_min": None}
    for text, least in (
        ("membranes of {y} stay at or above 0", _ZERO),
        ("membranes of {y} stay at or above minus the threshold", -law.threshold),
    ):
        if law.v_min is None or (law.v_min != least).any():
            yield "lower bound", text, {"v_min": least}
    if law.alpha is not None:
        none = {"alpha": None, "i_init": _ZERO}
        yield "synaptic current", "{y} keeps no synaptic current", none
    if law.i_init.any():
        yield "initial state", "the current of {y} starts at 0", {"i_init": _ZERO}
    if (law.gain_syn != 1).any():
        yield "input gain", "{y} lacks the synaptic gain of {x}", {"gain_syn": _ONE}


def _resets(law: LIF) -> Iterator[Change]:
    for mode in get_args(ResetMode):
        if mode != law.reset:
            text = f"{{y}} resets {_MODES[mode]}, {{x}} {_MODES[law.reset]}"
            yield "reset mode", text, {"reset": mode, "reset_value": None, "refractory": 0}
    if law.reset == "none":
        return
    timing = "next" if law.reset_timing == "same" else "same"
    text = f"{{y}} resets in the {timing} step, {{x}} in the {law.reset_timing}"
    yield "reset timing", text, {"reset_timing": timing, "refractory": 0, "max_spikes": 1}
    if law.reset_value is not None:
        hard = law.reset == "hard"
        text = "{y} resets to 0" if hard else "{y} subtracts the threshold"
        yield "hard-reset value" if hard else "soft-reset amount", text, {"reset_value": None}
    if law.reset == "soft":
        text = "{y} subtracts beta times what {x} does"
        yield "soft-reset amount", text, {"reset_value": law.beta * law.reset_to}
    if law.reset == "hard" and law.reset_timing == "same":
        for steps in range(_LONGEST_REST + 1):
            if steps != law.refractory:
                text = f"{{y}} rests {steps} steps after a spike, {{x}} {law.refractory}"
                yield "refractory", text, {"refractory": steps}


def _numbers(law: LIF | LI) -> Iterator[Numbered]:
    signed = _signed(law)
    text = "{{y}} takes the input times {k:.6g}"
    yield "input gain", text, _SCALES, lambda k: {"gain_in": law.gain_in * k}
    text = "decays of {{y}} are those of {k:.6g} times the step"
    yield "dt", text, _SCALES, lambda k: {name: d**k for name, d in _decays(law).items()}
    text = "decays of {{y}} leak {k:.6g} times as much per step"
    yield "dt", text, _SCALES, lambda k: _euler(law, k)
    text = "the membrane of {{y}} starts at {k:.6g}"
    yield "initial state", text, signed, lambda k: {"v_init": np.array(k)}
    if law.v_init.any():
        text = "the membrane of {{y}} starts {k:.6g} higher"
        yield "initial state", text, signed, lambda k: {"v_init": law.v_init + np.array(k)}
    if law.bias.any():
        text = "the bias of {{y}} is {k:.6g} times that of {{x}}"
        yield "bias", text, _SCALES, lambda k: {"bias": law.bias * k}
    text = "{{y}} adds {k:.6g} per step"
    yield "bias", text, signed, lambda k: {"bias": law.bias + np.array(k)}


def _lif_numbers(law: LIF) -> Iterator[Numbered]:
    signed = _signed(law)
    if law.reset == "soft":
        text = "{{y}} subtracts {k:.6g} times what {{x}} does"
        yield "soft-reset amount", text, _SCALES, lambda k: {"reset_value": law.reset_to * k}
        text = "{{y}} subtracts {k:.6g}"
        yield "soft-reset amount", text, signed, lambda k: {"reset_value": np.array(k)}
    if law.reset == "hard":
        text = "{{y}} resets to {k:.6g}"
        yield "hard-reset value", text, signed, lambda k: {"reset_value": np.array(k)}
    if law.alpha is not None:
        text = "the current of {{y}} starts at {k:.6g}"
        yield "initial state", text, signed, lambda k: {"i_init": np.array(k)}
        text = "the membrane of {{y}} decays as in {k:.6g} times the step, the current as in {{x}}"
        yield "dt", text, _SCALES, lambda k: {"beta": law.beta**k}
    text = "the threshold of {{y}} is {k:.6g} times that of {{x}}"
    kept = {} if law.reset != "soft" else {"reset_value": law.reset_to}
    yield "threshold", text, _SCALES, lambda k: {"threshold": law.threshold * k, **kept}


def _signed(law: LIF | LI) -> list[float]:
    """Numbers about 0, up to twice the threshold."""
    size = max(float(np.abs(law.threshold).max()), 1e-6) if isinstance(law, LIF) else 1.0
    return [size * v for v in _SIGNED]


def _decays(law: LIF | LI) -> dict[str, Any]:
    if isinstance(law, LIF) and law.alpha is not None:
        return {"beta": law.beta, "alpha": law.alpha}
    return {"beta": law.beta}


def _euler(law: LIF | LI, k: float) -> dict[str, Any] | None:
    decays = {name: 1 - k * (1 - decay) for name, decay in _decays(law).items()}
    return None if any((d < 0).any() for d in decays.values()) else decays
