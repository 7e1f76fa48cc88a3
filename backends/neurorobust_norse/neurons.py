"""LIF and LI as Norse cells.

Norse integrates ``v + dt tau_mem_inv (x + v_leak - v)``. With the step as unit of time (dt = 1),
``tau_mem_inv = 1-beta`` and the membrane in units of ``1-beta`` this is the law of
``neurorobust.ir.neurons``: inputs and weights stay as they are, thresholds, resets and initial
membranes are multiplied by ``1-beta``. (Dividing the weights instead rounds more.)

=============================  ================================================================
node                           Norse 1.1.0
=============================  ================================================================
hard, same step, with alpha    ``LIFCell``; ``tau_syn_inv = 1-alpha``, bias as ``v_leak``
other with alpha               ``LICell`` as the synapse, then as without alpha
without alpha                  ``LIFBoxCell``; ``reset_value``, ``reset_subtract`` or, through the
                               same hook, a soft reset by another amount or none
beta = 1                       ``IAFCell`` (1-beta = 0 leaves ``LIFBoxCell`` deaf); it knows only
                               a hard reset, others are a line of ours after it
LI                             ``LIBoxCell``, its output divided by 1-beta
LI, beta = 1                   ``IAFCell`` with an infinite threshold
=============================  ================================================================

A population in which only some neurons have beta = 1 runs both cells, and each neuron reads its
own. Resets in the next step, refractory steps and ``v_min`` are lines of ours around the cell.
"""

# ruff: noqa: TID251 (the one file that may import Norse; the backend imports it when it compiles)

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch

from neurorobust.backends.modules import Neuron, Step, tensor
from neurorobust.ir import LI, LIF, Array, Graph, Shape

with warnings.catch_warnings():
    # Norse 1.1.0 compiles helpers with torch.jit.script when imported; torch 2.13 deprecates that.
    warnings.filterwarnings("ignore", r".*torch\.jit\.", DeprecationWarning)
    import norse.torch as norse
    from norse.torch.functional.reset import reset_subtract, reset_value

DT = 1.0
"""Norse's dt only multiplies inverse time constants. Counting time in steps saves a rounding that
flips every tie with beta = 0.9 in single precision."""

HEAVISIDE = "heaviside"
"""The spike function of all surrogates, without autograd."""

Membrane = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Input and membrane before -> spikes and membrane after."""

Reset = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Norse's hook: spikes, membrane, ``v_reset``, ``v_th`` -> membrane after reset."""


def subtract_amount(
    z: torch.Tensor, v: torch.Tensor, reset: torch.Tensor, _th: torch.Tensor
) -> torch.Tensor:
    """Soft reset by ``v_reset`` in place of the threshold."""
    return v - z * reset


def keep(
    _z: torch.Tensor, v: torch.Tensor, _reset: torch.Tensor, _th: torch.Tensor
) -> torch.Tensor:
    """No reset."""
    return v


def neurons_of(model: Graph, dtype: torch.dtype) -> Mapping[str, Neuron]:
    """The neurons of a model by node name."""
    found: dict[str, Neuron] = {}
    for name, node in model.nodes.items():
        if isinstance(node, LI):
            found[name] = Integrator(node, model.shapes[name], dtype)
        elif isinstance(node, LIF):
            if node.alpha is not None and is_current_cell(node, dtype):
                found[name] = Current(node, node.alpha, model.shapes[name], dtype)
            else:
                found[name] = Composed(node, model.shapes[name], dtype)
    return found


def rounds(model: Graph, dtype: torch.dtype) -> bool:
    """Whether Norse computes some node's law with another rounding than the canonical order."""
    for node in model.nodes.values():
        if isinstance(node, LI | LIF):
            leaks = bool(leak_of(node.beta, dtype).any())
            current = isinstance(node, LIF) and node.alpha is not None
            delayed = isinstance(node, LIF) and node.reset == "soft" and node.reset_timing == "next"
            if leaks or current or delayed or node.bias.any():
                return True
    return False


def leak_of(beta: Array, dtype: torch.dtype) -> torch.Tensor:
    """``1 - beta``."""
    return 1 - tensor(beta, dtype)


def is_current_cell(node: LIF, dtype: torch.dtype) -> bool:
    """Whether ``LIFCell`` is this node's law, given that it has a current."""
    hard = node.reset == "hard" and node.reset_timing == "same"
    plain = node.v_min is None and node.refractory == 0
    return hard and plain and bool(leak_of(node.beta, dtype).all())


class Scaled:
    """Parameters of a LIF or LI node in Norse's units."""

    def __init__(self, node: LIF | LI, dtype: torch.dtype) -> None:
        self.leak = leak_of(node.beta, dtype)
        self.unit = torch.where(self.leak > 0, self.leak, 1.0)
        self.bias = tensor(node.bias, dtype)
        self.v_init = tensor(node.v_init, dtype) * self.unit
        if isinstance(node, LIF):
            threshold = tensor(node.threshold, dtype) * self.unit
            if node.compare == ">=":
                # Norse tests for above; above the next lower number is the same test.
                threshold = torch.nextafter(threshold, torch.full_like(threshold, -math.inf))
            self.threshold = threshold
            self.reset_to = tensor(node.reset_to, dtype) * self.unit


class Current:
    """``LIFCell``: current, membrane and hard reset in one cell."""

    def __init__(self, node: LIF, decay: Array, shape: Shape, dtype: torch.dtype) -> None:
        own = Scaled(node, dtype)
        alpha, gain_syn = tensor(decay, dtype), tensor(node.gain_syn, dtype)
        self._shape = shape
        self._gain = tensor(node.gain_in, dtype) * gain_syn
        self._v = own.v_init
        # Norse keeps the current after its decay, in the units of the membrane's input.
        self._i = alpha * tensor(node.i_init, dtype) * gain_syn
        self._cell = norse.LIFCell(
            norse.LIFParameters(
                tau_syn_inv=1 - alpha,
                tau_mem_inv=own.leak,
                v_leak=own.bias,
                v_th=own.threshold,
                v_reset=own.reset_to,
                method=HEAVISIDE,
            ),
            dt=DT,
        )

    def start(self, batch: int) -> Step:
        """One step with a fresh state."""
        shape = (batch, *self._shape)
        state = norse.LIFFeedForwardState(v=self._v.expand(shape), i=self._i.expand(shape))

        def step(x: torch.Tensor) -> torch.Tensor:
            nonlocal state
            spikes: torch.Tensor
            spikes, state = self._cell(x * self._gain, state)
            return spikes

        return step


class Composed:
    """``LIFBoxCell`` or ``IAFCell``, after ``LICell`` where there is a current."""

    def __init__(self, node: LIF, shape: Shape, dtype: torch.dtype) -> None:
        self._node, self._shape, self._dtype = node, shape, dtype
        self._own = own = Scaled(node, dtype)
        self._gains = tensor(node.gain_in, dtype), tensor(node.gain_syn, dtype)
        self._amount = tensor(node.reset_to, dtype)
        self._floor = None if node.v_min is None else tensor(node.v_min, dtype) * own.unit
        self._rest_fires = (own.reset_to > own.threshold).to(dtype)
        self._membrane = membrane_of(node, own)
        self._alpha = None if node.alpha is None else tensor(node.alpha, dtype)
        if self._alpha is not None:
            one = torch.ones((), dtype=dtype)
            self._synapse = norse.LICell(
                norse.LIParameters(tau_syn_inv=1 - self._alpha, tau_mem_inv=one, v_leak=0 * one),
                dt=DT,
            )

    def start(self, batch: int) -> Step:
        """One step with a fresh state."""
        node, own, shape = self._node, self._own, (batch, *self._shape)
        gain_in, gain_syn = self._gains
        v = own.v_init.expand(shape)
        zeros = fired = rest = torch.zeros(shape, dtype=self._dtype)
        i = zeros if self._alpha is None else self._alpha * tensor(node.i_init, self._dtype) + zeros
        soft_next, hard_next = (
            (node.reset, node.reset_timing) == (mode, "next") for mode in ("soft", "hard")
        )

        def step(x: torch.Tensor) -> torch.Tensor:
            nonlocal v, i, fired, rest
            x = x * gain_in
            if self._alpha is not None:
                # With v = 0 and tau_mem_inv = 1 the cell's membrane is its current, unrounded.
                x, state = self._synapse(x, norse.LIState(v=zeros, i=i))
                i = state.i
            x = x * gain_syn
            if soft_next:
                x = x - fired * self._amount
            spikes, after = self._membrane(x, v)
            if hard_next:
                spikes = torch.where(fired > 0, self._rest_fires, spikes)
                after = torch.where(fired > 0, own.reset_to, after)
            if self._floor is not None:
                after = torch.maximum(after, self._floor)
            if node.refractory:
                # A resting membrane keeps the value to which the last spike set it.
                spikes = spikes * (rest == 0)
                after = torch.where(rest > 0, v, after)
                rest = torch.where(spikes > 0, float(node.refractory), (rest - 1).clamp(min=0))
            v, fired = after, spikes
            return spikes

        return step


def reset_of(node: LIF) -> Reset:
    """The reset within the step."""
    if node.reset == "none" or node.reset_timing == "next":
        return keep
    if node.reset == "hard":
        return reset_value  # type: ignore[no-any-return]
    by_threshold = node.compare == ">" and bool((node.reset_to == node.threshold).all())
    return reset_subtract if by_threshold else subtract_amount


def membrane_of(node: LIF, own: Scaled) -> Membrane:
    """The cell, or for a mixed population both."""
    if not own.leak.any():
        return if_membrane(node, own)
    leaky = leaky_membrane(node, own)
    if own.leak.all():
        return leaky
    perfect, leaks = if_membrane(node, own), own.leak > 0

    def both(x: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pairs = zip(leaky(x, v), perfect(x, v), strict=True)
        spikes, after = (torch.where(leaks, a, b) for a, b in pairs)
        return spikes, after

    return both


def leaky_membrane(node: LIF, own: Scaled) -> Membrane:
    """``LIFBoxCell``, for beta below 1."""
    cell = norse.LIFBoxCell(
        norse.LIFBoxParameters(
            tau_mem_inv=own.leak,
            v_leak=own.bias,
            v_th=own.threshold,
            v_reset=own.reset_to,
            method=HEAVISIDE,
            reset_method=reset_of(node),
        ),
        dt=DT,
    )

    def step(x: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        spikes, state = cell(x, norse.LIFBoxFeedForwardState(v=v))
        return spikes, state.v

    return step


def if_membrane(node: LIF, own: Scaled) -> Membrane:
    """``IAFCell``, for beta = 1."""
    reset = reset_of(node)
    hard = reset is reset_value
    target = own.reset_to if hard else torch.zeros_like(own.reset_to)
    cell = norse.IAFCell(
        norse.IAFParameters(v_th=own.threshold, v_reset=target, method=HEAVISIDE), dt=DT
    )

    def step(x: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = x + own.bias
        spikes, state = cell(x, norse.IAFFeedForwardState(v=v))
        after = state.v if hard else reset(spikes, v + x, own.reset_to, own.threshold)
        return spikes, after

    return step


class Integrator:
    """LI: ``LIBoxCell`` below beta = 1, ``IAFCell`` that never fires at 1."""

    def __init__(self, node: LI, shape: Shape, dtype: torch.dtype) -> None:
        self._own = own = Scaled(node, dtype)
        self._shape, self._dtype = shape, dtype
        self._gain = tensor(node.gain_in, dtype)
        self._leaky = norse.LIBoxCell(
            norse.LIBoxParameters(tau_mem_inv=own.leak, v_leak=own.bias), dt=DT
        )
        never = torch.full((), math.inf, dtype=dtype)
        silent: Any = norse.IAFParameters(
            v_th=never, v_reset=torch.zeros_like(never), method=HEAVISIDE
        )
        self._perfect = norse.IAFCell(silent, dt=DT)

    def start(self, batch: int) -> Step:
        """One step with a fresh state."""
        own, leaks = self._own, self._own.leak > 0
        v = own.v_init.expand(batch, *self._shape)

        def step(x: torch.Tensor) -> torch.Tensor:
            nonlocal v
            x = x * self._gain
            _, below = self._leaky(x, norse.LIBoxState(v=v))
            _, at = self._perfect(x + own.bias, norse.IAFFeedForwardState(v=v))
            v = torch.where(leaks, below.v, at.v)
            return v / own.unit

        return step
