"""Causes in the neurons of a layer: comparison, resets, decays, gain, biases, states."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from neurorobust.compare.causes.base import Hypothesis
from neurorobust.compare.causes.fit import Family
from neurorobust.ir import LI, LIF, Array
from neurorobust.ir.neurons import Compare, ResetMode, ResetTiming

_SCALES = tuple(2.0 ** (j / 2) for j in range(-16, 17))
_SIGNED = tuple(np.linspace(-2.0, 2.0, 33).tolist())
_LONGEST_REST = 8
_NO_GAIN = np.array(1.0)


def laws(law: LIF | LI) -> Iterator[Hypothesis]:
    """Other laws without a free number."""
    yield from _common(law)
    if isinstance(law, LIF):
        yield from _firing(law)
        yield from _resets(law)


def families(law: LIF | LI) -> Iterator[Family]:
    """Other laws with one free number."""
    yield _family(law, "input gain", "{{y}} takes the input times {k:.6g}", _SCALES, _gain)
    yield _family(law, "dt", "decays of {{y}} are those of {k:.6g} times the step", _SCALES, _dt)
    euler = "decays of {{y}} leak {k:.6g} times as much per step"
    yield _family(law, "dt", euler, _SCALES, _euler)
    size = _size(law)
    start = "the membrane of {{y}} starts at {k:.6g}"
    yield _scalar(law, "initial state", start, "v_init", size)
    if law.v_init.any():
        yield Family(
            make=lambda k: Hypothesis(
                cause="initial state",
                text=f"the membrane of {{y}} starts {k:.6g} higher",
                law=replace(law, v_init=law.v_init + np.array(k)),
            ),
            grid=[size * v for v in _SIGNED],
        )
    if law.bias.any():
        yield _family(
            law, "bias", "the bias of {{y}} is {k:.6g} times that of {{x}}", _SCALES, _bias
        )
    yield Family(
        make=lambda k: Hypothesis(
            cause="bias",
            text=f"{{y}} adds {k:.6g} per step",
            law=replace(law, bias=law.bias + np.array(k)),
        ),
        grid=[size * v for v in _SIGNED],
    )
    if isinstance(law, LIF):
        yield from _lif_families(law, size)


def _common(law: LIF | LI) -> Iterator[Hypothesis]:
    if law.bias.any():
        zero = np.zeros_like(law.bias)
        yield Hypothesis(
            cause="lost bias", text="{y} lacks the neurons' bias", law=replace(law, bias=zero)
        )
    if law.v_init.any():
        started = replace(law, v_init=np.zeros(()))
        yield Hypothesis(cause="initial state", text="the membrane of {y} starts at 0", law=started)
    rest = 1 - law.beta
    for text, factor in (
        ("{y} takes the input times 1 - beta", rest),
        ("{y} takes the input without the factor 1 - beta", 1 / np.where(rest > 0, rest, 1)),
        ("{y} lacks the input gain of {x}", 1 / np.where(law.gain_in != 0, law.gain_in, 1)),
    ):
        if (factor != 1).any():
            gained = replace(law, gain_in=law.gain_in * factor)
            yield Hypothesis(cause="input gain", text=text, law=gained)
    for text, beta in (
        ("{y} does not leak", np.ones(())),
        ("{y} decays by exp(-(1 - beta)), {x} by beta", np.exp(-rest)),
    ):
        if (beta != law.beta).any():
            yield Hypothesis(cause="dt", text=text, law=replace(law, beta=beta))


def _firing(law: LIF) -> Iterator[Hypothesis]:
    other: Compare = ">" if law.compare == ">=" else ">="
    yield Hypothesis(
        cause="compare",
        text=f"{{y}} fires at h {other} threshold, {{x}} at h {law.compare} threshold",
        law=replace(law, compare=other),
    )
    if law.max_spikes > 1:
        once = replace(law, max_spikes=1)
        yield Hypothesis(cause="spikes per step", text="{y} fires once per step", law=once)
    elif law.reset_timing == "same" and (law.threshold > 0).all():
        many = replace(law, max_spikes=255)
        yield Hypothesis(cause="spikes per step", text="{y} counts whole thresholds", law=many)
    if law.v_min is not None:
        yield Hypothesis(
            cause="lower bound", text="{y} has no lower bound", law=replace(law, v_min=None)
        )
    for text, least in (
        ("membranes of {y} stay at or above 0", np.zeros(())),
        ("membranes of {y} stay at or above minus the threshold", -law.threshold),
    ):
        if law.v_min is None or (law.v_min != least).any():
            yield Hypothesis(cause="lower bound", text=text, law=replace(law, v_min=least))
    if law.alpha is not None:
        yield Hypothesis(
            cause="synaptic current",
            text="{y} keeps no synaptic current",
            law=replace(law, alpha=None, i_init=np.zeros(())),
        )
    if law.i_init.any():
        yield Hypothesis(
            cause="initial state",
            text="the current of {y} starts at 0",
            law=replace(law, i_init=np.zeros(())),
        )
    if (law.gain_syn != 1).any():
        yield Hypothesis(
            cause="input gain",
            text="{y} lacks the synaptic gain of {x}",
            law=replace(law, gain_syn=_NO_GAIN),
        )


def _resets(law: LIF) -> Iterator[Hypothesis]:
    for mode in get_args(ResetMode):
        if mode != law.reset:
            yield Hypothesis(
                cause="reset mode",
                text=f"{{y}} resets {_MODES[mode]}, {{x}} {_MODES[law.reset]}",
                law=replace(law, reset=mode, reset_value=None, refractory=0),
            )
    if law.reset == "none":
        return
    timing: ResetTiming = "next" if law.reset_timing == "same" else "same"
    yield Hypothesis(
        cause="reset timing",
        text=f"{{y}} resets in the {timing} step, {{x}} in the {law.reset_timing}",
        law=replace(law, reset_timing=timing, refractory=0, max_spikes=1),
    )
    if law.reset_value is not None:
        plain = replace(law, reset_value=None)
        if law.reset == "hard":
            yield Hypothesis(cause="hard-reset value", text="{y} resets to 0", law=plain)
        else:
            text = "{y} subtracts the threshold"
            yield Hypothesis(cause="soft-reset amount", text=text, law=plain)
    if law.reset == "soft":
        leaked = replace(law, reset_value=law.beta * law.reset_to)
        text = "{y} subtracts beta times what {x} does"
        yield Hypothesis(cause="soft-reset amount", text=text, law=leaked)
    if law.reset == "hard" and law.reset_timing == "same":
        for steps in range(_LONGEST_REST + 1):
            if steps != law.refractory:
                yield Hypothesis(
                    cause="refractory",
                    text=f"{{y}} rests {steps} steps after a spike, {{x}} {law.refractory}",
                    law=replace(law, refractory=steps),
                )


_MODES = {"hard": "hard", "soft": "by subtraction", "none": "not at all"}


def _lif_families(law: LIF, size: float) -> Iterator[Family]:
    if law.reset == "soft":
        amount = "{{y}} subtracts {k:.6g} times what {{x}} does"
        yield _family(law, "soft-reset amount", amount, _SCALES, _amount)
        fixed = "{{y}} subtracts {k:.6g}"
        yield _scalar(law, "soft-reset amount", fixed, "reset_value", size)
    if law.reset == "hard":
        text = "{{y}} resets to {k:.6g}"
        yield _scalar(law, "hard-reset value", text, "reset_value", size)
    if law.alpha is not None:
        text = "the current of {{y}} starts at {k:.6g}"
        yield _scalar(law, "initial state", text, "i_init", size)
        text = "the membrane of {{y}} decays as in {k:.6g} times the step, the current as in {{x}}"
        yield _family(law, "dt", text, _SCALES, _dt_membrane)
    threshold = "the threshold of {{y}} is {k:.6g} times that of {{x}}"
    yield _family(law, "threshold", threshold, _SCALES, _threshold)


def _family(
    law: LIF | LI,
    cause: str,
    text: str,
    grid: tuple[float, ...],
    fields: Callable[[Any, float], dict[str, Array] | None],
) -> Family:
    """A family whose number scales something."""

    def make(k: float) -> Hypothesis | None:
        changed = fields(law, k)
        if changed is None:
            return None
        taken: Any = changed
        return Hypothesis(cause=cause, text=text.format(k=k), law=replace(law, **taken))

    return Family(make=make, grid=grid)


def _scalar(law: LIF | LI, cause: str, text: str, field: str, size: float) -> Family:
    """A family whose number is the new value of a field, the same for all neurons."""

    def make(k: float) -> Hypothesis:
        changed: Any = {field: np.array(k)}
        return Hypothesis(cause=cause, text=text.format(k=k), law=replace(law, **changed))

    return Family(make=make, grid=[size * v for v in _SIGNED])


def _size(law: LIF | LI) -> float:
    return max(float(np.abs(law.threshold).max()), 1e-6) if isinstance(law, LIF) else 1.0


def _gain(law: LIF | LI, k: float) -> dict[str, Array]:
    return {"gain_in": law.gain_in * k}


def _bias(law: LIF | LI, k: float) -> dict[str, Array]:
    return {"bias": law.bias * k}


def _amount(law: LIF, k: float) -> dict[str, Array]:
    return {"reset_value": law.reset_to * k}


def _threshold(law: LIF, k: float) -> dict[str, Array]:
    kept = {} if law.reset != "soft" else {"reset_value": law.reset_to}
    return {"threshold": law.threshold * k, **kept}


def _dt_membrane(law: LIF | LI, k: float) -> dict[str, Array]:
    return {"beta": law.beta**k}


def _dt(law: LIF | LI, k: float) -> dict[str, Array]:
    alpha = {"alpha": law.alpha**k} if isinstance(law, LIF) and law.alpha is not None else {}
    return {"beta": law.beta**k, **alpha}


def _euler(law: LIF | LI, k: float) -> dict[str, Array] | None:
    decays = {"beta": 1 - k * (1 - law.beta)}
    if isinstance(law, LIF) and law.alpha is not None:
        decays["alpha"] = 1 - k * (1 - law.alpha)
    return None if any((d < 0).any() for d in decays.values()) else decays
