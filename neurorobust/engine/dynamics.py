"""The neuron equations of ``neurorobust.ir.neurons``, once, for torch.

``fire`` decides the spikes. Its forward value is always the exact comparison; gradient estimators
pass one with another backward rule, so the law itself is written only here.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from neurorobust.ir import LI, LIF, Array

Fire = Callable[["Neuron", Tensor], Tensor]
"""``(neuron, h) -> s``: spikes of a membrane before reset."""

Watch = Callable[[Tensor], None]
"""Sees the membrane before reset of one step."""


@dataclass(frozen=True, slots=True, eq=False)
class Neuron:
    """Parameters of a LIF node as tensors; what has no effect is None and costs nothing."""

    node: LIF
    beta: Tensor
    threshold: Tensor
    alpha: Tensor | None
    gain_in: Tensor | None
    gain_syn: Tensor | None
    bias: Tensor | None
    reset_to: Tensor
    v_init: Tensor
    i_init: Tensor
    v_min: Tensor | None

    @classmethod
    def of(cls, node: LIF, like: Tensor) -> "Neuron":
        """Tensors of the dtype and device of ``like``."""

        def tensor(value: Array | None) -> Tensor:
            return torch.tensor(value).to(like)

        def unless(value: Array, neutral: float) -> Tensor | None:
            return None if (value == neutral).all() else tensor(value)

        return cls(
            node=node,
            beta=tensor(node.beta),
            threshold=tensor(node.threshold),
            alpha=None if node.alpha is None else tensor(node.alpha),
            gain_in=unless(node.gain_in, 1.0),
            gain_syn=unless(node.gain_syn, 1.0),
            bias=unless(node.bias, 0.0),
            reset_to=tensor(node.reset_to),
            v_init=tensor(node.v_init),
            i_init=tensor(node.i_init),
            v_min=None if node.v_min is None else tensor(node.v_min),
        )


@dataclass(slots=True, eq=False)
class State:
    """Between two steps: membrane, synaptic current, last spikes, refractory steps left."""

    v: Tensor
    i: Tensor | None
    s: Tensor | None
    wait: Tensor | None


def initial_state(neuron: Neuron, x: Tensor) -> State:
    """State before the first step, for an input of shape (B, ...)."""
    return State(
        v=neuron.v_init.expand_as(x),
        i=None if neuron.alpha is None else neuron.i_init.expand_as(x),
        s=torch.zeros_like(x) if neuron.node.reset_timing == "next" else None,
        wait=torch.zeros_like(x) if neuron.node.refractory else None,
    )


def exact_fire(neuron: Neuron, h: Tensor) -> Tensor:
    """``h > threshold`` (or ``>=``); above one spike per step, the whole thresholds in ``h``."""
    node = neuron.node
    if node.max_spikes == 1:
        fired = h > neuron.threshold if node.compare == ">" else h >= neuron.threshold
        return fired.to(h.dtype)
    ratio = h / neuron.threshold
    whole = torch.ceil(ratio) - 1 if node.compare == ">" else torch.floor(ratio)
    return whole.clamp(0, node.max_spikes)


def lif_step(
    neuron: Neuron, state: State, x: Tensor, fire: Fire, *, detach_reset: bool = False
) -> tuple[Tensor, Tensor]:
    """One step; updates ``state``.

    Args:
        neuron: Parameters.
        state: Changed in place to the state after the step.
        x: Input, shape (B, ...).
        fire: Spikes from the membrane.
        detach_reset: Whether gradients are kept from flowing through the reset.

    Returns:
        Spikes and the membrane before reset, both (B, ...).
    """
    node = neuron.node
    if neuron.gain_in is not None:
        x = neuron.gain_in * x
    if neuron.alpha is not None and state.i is not None:
        x = state.i = neuron.alpha * state.i + x
    if neuron.gain_syn is not None:
        x = neuron.gain_syn * x
    h = neuron.beta * state.v + x
    if neuron.bias is not None:
        h = h + neuron.bias
    if state.s is not None and node.reset == "soft":
        h = h - neuron.reset_to * state.s
    elif state.s is not None and node.reset == "hard":
        h = torch.where(state.s > 0, neuron.reset_to, h)
    if state.wait is not None:
        h = torch.where(state.wait > 0, neuron.reset_to, h)
    s = fire(neuron, h)
    if state.wait is not None:
        s = torch.where(state.wait > 0, torch.zeros_like(s), s)
        state.wait = torch.where(s > 0, float(node.refractory), (state.wait - 1).clamp(min=0))
    cut = s.detach() if detach_reset else s
    state.v = _reset(neuron, h, cut)
    if state.s is not None:
        state.s = cut
    return s, h


def _reset(neuron: Neuron, h: Tensor, s: Tensor) -> Tensor:
    node = neuron.node
    v = h
    if node.reset_timing == "same" and node.reset == "soft":
        v = h - neuron.reset_to * s
    elif node.reset_timing == "same" and node.reset == "hard":
        fired = s if node.max_spikes == 1 else s.clamp(max=1)
        # The product form lets gradients see the reset; its value is exactly h or the target.
        v = h * (1 - fired)
        if node.reset_value is not None:
            v = v + neuron.reset_to * fired
    return v if neuron.v_min is None else torch.maximum(v, neuron.v_min)


@torch.no_grad()
def lif_sequence(neuron: Neuron, x: Tensor, steps: int, watch: Watch | None = None) -> Tensor:
    """Spikes (T, B, ...) of all steps without gradients, to the bit those of ``lif_step``.

    The state changes in place, so that nothing but the spikes has a time axis.

    Args:
        neuron: Parameters.
        x: Input, (T or 1, B, ...); the spikes come in its dtype and memory layout.
        steps: Number of steps T.
        watch: Called with the membrane before reset of every step; it must not keep it.
    """
    node, state_dtype = neuron.node, neuron.beta.dtype
    frame = torch.empty_like(x[0])
    out = frame.new_empty_strided((steps, *frame.shape), (frame.numel(), *frame.stride()))
    if node.reset_timing == "next" or node.refractory or node.max_spikes > 1:
        state = initial_state(neuron, x[0].to(state_dtype))
        for t in range(steps):
            s, h = lif_step(neuron, state, x[t if len(x) > 1 else 0].to(state_dtype), exact_fire)
            out[t].copy_(s)
            if watch is not None:
                watch(h)
        return out
    v = torch.empty_like(frame, dtype=state_dtype).copy_(neuron.v_init)
    i = None if neuron.alpha is None else torch.empty_like(v).copy_(neuron.i_init)
    silent, fired = torch.empty_like(v), torch.empty_like(v)
    same = out.dtype == state_dtype
    fires, rests = (torch.gt, torch.le) if node.compare == ">" else (torch.ge, torch.lt)
    for t in range(steps):
        v.mul_(neuron.beta).add_(_current(neuron, i, x[t if len(x) > 1 else 0]))
        if neuron.bias is not None:
            v.add_(neuron.bias)
        if watch is not None:
            watch(v)
        fired = fires(v, neuron.threshold, out=out[t] if same else fired)
        if not same:  # compared into another dtype it would take many times as long
            out[t].copy_(fired)
        if node.reset == "hard":
            v.mul_(rests(v, neuron.threshold, out=silent))
            if node.reset_value is not None:
                v.add_(neuron.reset_to * fired)
        elif node.reset == "soft":
            v.sub_(neuron.reset_to * fired)
        if neuron.v_min is not None:
            torch.maximum(v, neuron.v_min, out=v)
    return out


def _current(neuron: Neuron, i: Tensor | None, x: Tensor) -> Tensor:
    """Current into the membrane; changes ``i`` in place."""
    if neuron.gain_in is not None:
        x = neuron.gain_in * x.to(neuron.beta.dtype)
    if neuron.alpha is not None and i is not None:
        x = i.mul_(neuron.alpha).add_(x)
    if neuron.gain_syn is not None:
        x = neuron.gain_syn * x.to(neuron.beta.dtype)
    return x


@dataclass(frozen=True, slots=True, eq=False)
class Integrator:
    """Parameters of an LI node as tensors."""

    beta: Tensor
    gain_in: Tensor
    bias: Tensor
    v_init: Tensor

    @classmethod
    def of(cls, node: LI, like: Tensor) -> "Integrator":
        """Tensors of the dtype and device of ``like``."""
        values = (node.beta, node.gain_in, node.bias, node.v_init)
        return cls(*(torch.tensor(value).to(like) for value in values))


def li_step(neuron: Integrator, v: Tensor, x: Tensor) -> Tensor:
    """``v = beta v + gain_in x + bias``."""
    return neuron.beta * v + neuron.gain_in * x + neuron.bias


def li_sequence(neuron: Integrator, x: Tensor, steps: int) -> Tensor:
    """Membranes (T, B, ...) of all steps, for an input (T or 1, B, ...)."""
    v, values = neuron.v_init.expand_as(x[0]), []
    for t in range(steps):
        v = li_step(neuron, v, x[t if len(x) > 1 else 0])
        values.append(v)
    return torch.stack(values)
