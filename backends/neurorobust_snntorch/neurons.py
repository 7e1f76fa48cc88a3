"""LIF and LI as snnTorch neurons, with the law of ``neurorobust.ir.neurons`` to the last bit.

========================================  =====================================================
node                                      snnTorch 1.0.0
========================================  =====================================================
hard to 0, same step                      ``Leaky(reset_mechanism="zero")``
soft by the threshold, next step, ``>``   ``Leaky(reset_mechanism="subtract")``, its default
the same two with alpha                   ``Synaptic``; "zero" needs ``reset_delay=False``
hard to 0, next step, with alpha          ``Synaptic(reset_mechanism="zero")``, its default
none, LI                                  ``Leaky`` or ``Synaptic(reset_mechanism="none")``
all other                                 ``Leaky(reset_mechanism="none")`` integrates, its
                                          ``fire`` decides, the reset is a line of ours;
                                          alpha is a second ``Leaky`` before it
========================================  =====================================================

snnTorch has no same-step soft reset: "subtract" takes the threshold off after the decay
(``reset_delay=True``) or before the test (``False``, and spikes are lost). ``>=`` becomes ``>``
against the next lower number, which is the same test; amounts keep the true threshold.
"""

# ruff: noqa: TID251 (the one file that may import snnTorch; the backend imports it on compiling)

from collections.abc import Mapping
from typing import Any

import numpy as np
import snntorch as snn
import torch
from snntorch import SpikingNeuron

from neurorobust.backends.modules import Neuron, Step, tensor
from neurorobust.formats.modules.resets import firing_threshold, own_mechanism
from neurorobust.ir import LI, LIF, Array, Graph, Shape


def neurons_of(model: Graph, dtype: torch.dtype) -> Mapping[str, Neuron]:
    """The neurons of a model by node name."""
    found: dict[str, Neuron] = {}
    for name, node in model.nodes.items():
        shape = model.shapes[name]
        if isinstance(node, LI):
            found[name] = Integrator(node, shape, dtype)
        elif isinstance(node, LIF):
            if mechanism := own_mechanism(node, _numpy(dtype)):
                found[name] = Stock(node, mechanism, shape, dtype)
            else:
                found[name] = Composed(node, shape, dtype)
    return found


def threshold_of(node: LIF, dtype: torch.dtype) -> torch.Tensor:
    """The number that ``h`` must exceed."""
    return tensor(firing_threshold(node, _numpy(dtype)), dtype)


def _numpy(dtype: torch.dtype) -> np.dtype[Any]:
    return torch.empty((), dtype=dtype).numpy().dtype


def made(kind: type[Any], *decays: torch.Tensor, **options: Any) -> Any:
    """A neuron of snnTorch that the framework forgets again."""
    # Explicit state; spikes without the surrogate's autograd.
    cell = kind(*decays, surrogate_disable=True, **options)
    # The class keeps every neuron ever made in a list, with its states: a leak.
    SpikingNeuron.instances.pop()
    return cell


def spread(values: Array, batch: int, shape: Shape, dtype: torch.dtype) -> torch.Tensor:
    """Initial state in full shape: snnTorch silently zeroes a state of another shape."""
    return tensor(values, dtype).expand(batch, *shape).clone()


def as_spikes(fired: Any, dtype: torch.dtype) -> torch.Tensor:
    """Spikes in the run's precision; snnTorch gives float32 for any input."""
    spikes: torch.Tensor = fired.to(dtype)
    return spikes


def scaled(x: torch.Tensor, gain: torch.Tensor | None) -> torch.Tensor:
    """The input times its gain."""
    return x if gain is None else x * gain


def gain_of(values: Array, dtype: torch.dtype) -> torch.Tensor | None:
    """A gain as a tensor, or None where it is 1."""
    return tensor(values, dtype) if (values != 1).any() else None


class Stock:
    """``snn.Leaky`` or ``snn.Synaptic`` with a reset of its own."""

    def __init__(self, node: LIF, mechanism: str, shape: Shape, dtype: torch.dtype) -> None:
        self._node, self._shape, self._dtype = node, shape, dtype
        self._gains = (gain_of(node.gain_in, dtype), gain_of(node.gain_syn, dtype))
        options = {"threshold": threshold_of(node, dtype), "reset_mechanism": mechanism}
        beta = tensor(node.beta, dtype)
        if node.alpha is None:
            self._cell = made(snn.Leaky, beta, **options)
        else:
            # Only "zero" knows the same step exactly; the other two take the default.
            options["reset_delay"] = mechanism != "zero" or node.reset_timing == "next"
            self._cell = made(snn.Synaptic, tensor(node.alpha, dtype), beta, **options)

    def start(self, batch: int) -> Step:
        """One step with a fresh state."""
        node, (gain_in, gain_syn) = self._node, self._gains
        v = spread(node.v_init, batch, self._shape, self._dtype)
        if node.alpha is None:

            def leaky(x: torch.Tensor) -> torch.Tensor:
                nonlocal v
                spikes, v = self._cell(scaled(scaled(x, gain_in), gain_syn), v)
                return as_spikes(spikes, self._dtype)

            return leaky
        i = spread(node.i_init, batch, self._shape, self._dtype)

        def synaptic(x: torch.Tensor) -> torch.Tensor:
            nonlocal i, v
            spikes, i, v = self._cell(scaled(x, gain_in), i, v)
            return as_spikes(spikes, self._dtype)

        return synaptic


class Composed:
    """``snn.Leaky`` integrates and fires; what snnTorch has no exact form for is added outside."""

    def __init__(self, node: LIF, shape: Shape, dtype: torch.dtype) -> None:
        self._node, self._shape, self._dtype = node, shape, dtype
        self._gains = (gain_of(node.gain_in, dtype), gain_of(node.gain_syn, dtype))
        self._bias = tensor(node.bias, dtype) if node.bias.any() else None
        self._to = tensor(node.reset_to, dtype)
        self._floor = None if node.v_min is None else tensor(node.v_min, dtype)
        self._membrane = made(
            snn.Leaky,
            tensor(node.beta, dtype),
            threshold=threshold_of(node, dtype),
            reset_mechanism="none",
        )
        self._synapse = (
            None
            if node.alpha is None
            else made(snn.Leaky, tensor(node.alpha, dtype), reset_mechanism="none")
        )

    def start(self, batch: int) -> Step:
        """One step with a fresh state."""
        node, (gain_in, gain_syn) = self._node, self._gains
        next_step = node.reset_timing == "next"
        v = spread(node.v_init, batch, self._shape, self._dtype)
        i = spread(node.i_init, batch, self._shape, self._dtype)
        fired = torch.zeros_like(v)
        rest = torch.zeros_like(v)

        def step(x: torch.Tensor) -> torch.Tensor:
            nonlocal v, i, fired, rest
            x = scaled(x, gain_in)
            if self._synapse is not None:
                _, i = self._synapse(x, i)
                x = i
            _, h = self._membrane(scaled(x, gain_syn), v)
            if self._bias is not None:
                h = h + self._bias
            if next_step:
                h = self._reset(h, fired)
            spikes = as_spikes(self._membrane.fire(h), self._dtype)
            after = h if next_step else self._reset(h, spikes)
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

    def _reset(self, h: torch.Tensor, fired: torch.Tensor) -> torch.Tensor:
        if self._node.reset == "hard":
            return torch.where(fired > 0, self._to, h)
        return h - self._to * fired if self._node.reset == "soft" else h


class Integrator:
    """LI: the membrane of ``snn.Leaky`` without reset."""

    def __init__(self, node: LI, shape: Shape, dtype: torch.dtype) -> None:
        self._node, self._shape, self._dtype = node, shape, dtype
        self._gain = gain_of(node.gain_in, dtype)
        self._bias = tensor(node.bias, dtype) if node.bias.any() else None
        self._cell = made(snn.Leaky, tensor(node.beta, dtype), reset_mechanism="none")

    def start(self, batch: int) -> Step:
        """One step with a fresh state."""
        v = spread(self._node.v_init, batch, self._shape, self._dtype)

        def step(x: torch.Tensor) -> torch.Tensor:
            nonlocal v
            h: torch.Tensor
            _, h = self._cell(scaled(x, self._gain), v)
            v = h if self._bias is None else h + self._bias
            return v

        return step
