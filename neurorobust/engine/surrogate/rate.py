"""The rate path: between layers only firing rates carry the gradient, ``dL/dI = gain * dL/ds``.

An inference pass without gradients gives the spikes and one gain per neuron. The gradient then
needs linear maps only, and since these treat all steps alike, one frame of time means is enough
whenever the scores weigh all steps alike too (``collapses``). The T-step form covers the rest.
"""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from neurorobust.engine.dynamics import Neuron, State
from neurorobust.engine.network import Network, Spikes, Trace
from neurorobust.engine.surrogate.base import Estimator
from neurorobust.ir import LI, Graph, Output, Pool2d


class RateEstimator(Estimator):
    """Base of estimators that differ in their gain map only.

    Args:
        collapse: One frame of time means where that is exact (default), or always T steps.
    """

    def __init__(self, *, collapse: bool = True) -> None:
        self.collapse = collapse

    @abstractmethod
    def gain(self, neuron: Neuron, drive: Tensor, spikes: Tensor) -> Tensor:
        """``d rate / d input`` per neuron, shape (B, ...).

        Args:
            neuron: The population.
            drive: Its input, (T or 1, B, ...).
            spikes: Its spikes, (T, B, ...).
        """

    def scores(self, network: Network, x: Tensor, steps: int) -> Tensor:
        """Scores of inference, with the gradient of the rate path."""
        trace = Trace()
        with torch.no_grad():
            exact = network.run(x, steps, trace=trace)
            gains = {
                name: self.gain(neuron, trace.drive[name], trace.spikes[name])
                for name, neuron in network.neurons.items()
            }
        if self.collapse and collapses(network.graph):
            rates = {name: s.mean(0, keepdim=True) for name, s in trace.spikes.items()}
            path = network.run(x.mean(1, keepdim=True), 1, _RateSpikes(rates, gains))
            path = path * score_weight(network.graph, steps)
        else:
            path = network.run(x, steps, _RateSpikes(trace.spikes, gains))
        # The value is that of inference to the bit; only the gradient comes from the path.
        return exact + (path - path.detach())


def collapses(graph: Graph) -> bool:
    """Whether the scores weigh all steps alike, so that one frame gives the T-step gradient.

    That needs no delays, no loops, no maximum (which does not commute with the mean), and a
    readout by count or mean, or by the last value of an integrator without leak.
    """
    if any(edge.delay for edge in graph.edges) or graph.recurrent:
        return False
    if any(node.op == "max" for _, node in graph.of_kind(Pool2d)):
        return False
    readout = next(node for _, node in graph.of_kind(Output)).readout
    integrators = dict(graph.of_kind(LI))
    if readout == "last":
        sources = {edge.source for edge in graph.incoming(graph.output)}
        readers = {edge.target for name in integrators for edge in graph.outgoing(name)}
        return (sources, readers) == (set(integrators), {graph.output}) and all(
            (n.beta == 1).all() for n in integrators.values()
        )
    return readout in ("count", "mean") and not integrators


def score_weight(graph: Graph, steps: int) -> int:
    """How many steps a score adds up: T for a count or an integrator, 1 for a mean."""
    return 1 if next(node for _, node in graph.of_kind(Output)).readout == "mean" else steps


class _RateSpikes(Spikes):
    """Known spikes (or rates), with ``gain`` as their derivative by the input."""

    def __init__(self, known: dict[str, Tensor], gains: dict[str, Tensor]) -> None:
        self.known, self.gains = known, gains
        self.at: dict[str, int] = dict.fromkeys(known, 0)

    def step(self, name: str, neuron: Neuron, state: State, x: Tensor) -> tuple[Tensor, Tensor]:
        s: Tensor = _Known.apply(x, self.known[name][self.at[name]], self.gains[name])  # type: ignore[no-untyped-call]
        self.at[name] += 1
        return s, s

    def sequence(
        self, name: str, neuron: Neuron, x: Tensor, steps: int
    ) -> tuple[Tensor, Tensor | None]:
        s: Tensor = _Known.apply(x.expand(steps, *x.shape[1:]), self.known[name], self.gains[name])  # type: ignore[no-untyped-call]
        return s, None


class _Known(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, _x: Tensor, known: Tensor, gain: Tensor) -> Tensor:
        ctx.save_for_backward(gain)
        return known.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (gain,) = ctx.saved_tensors
        return grads[0] * gain, None, None


def mean_current(neuron: Neuron, drive: Tensor) -> tuple[Tensor, Tensor | float]:
    """Time mean of the current into the membrane, and its derivative by the input (the DC gain).

    A synaptic filter is taken at its DC gain ``1 / (1 - alpha)``; gains multiply; the bias adds.
    """
    current, slope = drive.mean(0), torch.ones((), dtype=drive.dtype, device=drive.device)
    for factor in (neuron.gain_in, neuron.gain_syn):
        if factor is not None:
            slope = slope * factor
    if neuron.alpha is not None:
        slope = slope / (1 - neuron.alpha).clamp(min=torch.finfo(drive.dtype).eps)
    current = slope * current
    return (current if neuron.bias is None else current + neuron.bias), slope
