"""The rate path: between layers only firing rates carry the gradient, ``dL/dI = gain * dL/ds``.

An inference pass without gradients gives the spikes and one gain per neuron. The gradient then
needs linear maps only, and since these treat all steps alike, one frame of time means is enough
whenever the scores weigh all steps alike too (``collapses``): no value with a time axis is kept.
The T-step form covers the rest.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from neurorobust.engine.dynamics import Neuron, State, lif_sequence
from neurorobust.engine.estimators.base import Estimator
from neurorobust.engine.estimators.frame import pull_back
from neurorobust.engine.network import Network, Spikes, Trace
from neurorobust.ir import LI, Graph, Output, Pool2d
from neurorobust.methods import option


@dataclass(frozen=True)
class RateEstimator(Estimator):
    """Base of estimators that differ in their gain map only.

    Attributes:
        collapse: One frame of time means where that is exact (default), or always T steps.
        precision: ``bf16`` runs the network with bfloat16 between spikes, on the way forwards too:
            then the scores equal those of ``network.in_bf16``, and decisions are still to be made
            by the network itself. None is the network's own precision.
    """

    family: ClassVar[str] = "rate"
    revision: ClassVar[int] = 2

    _: KW_ONLY
    collapse: bool = option(default=True, record=None)
    precision: str | None = option(None, among=("bf16",))

    @abstractmethod
    def gain(
        self, neuron: Neuron, drive: Tensor, spikes: Tensor, response: Tensor | None = None
    ) -> Tensor:
        """``d rate / d input`` per neuron, shape (B, ...).

        Args:
            neuron: The population.
            drive: Its input, (T or 1, B, ...).
            spikes: Its spikes, (T, B, ...).
            response: Time mean of ``respond``, (B, ...), if there is any.
        """

    def respond(self, neuron: Neuron, h: Tensor) -> Tensor | None:
        """What the gain needs of the membranes ``h`` of a step; nothing by default."""
        return None

    def inference(self, network: Network, x: Tensor, steps: int) -> Tensor:
        """The scores in the precision of crafting."""
        return self._crafting(network).run(x, steps)

    def scores(self, network: Network, x: Tensor, steps: int) -> Tensor:
        """Scores of inference, with the gradient of the rate path."""
        network = self._crafting(network)
        if not self.collapse or not collapses(network.graph):
            return self._all_steps(network, x, steps)
        meter = _Meter(self)
        with torch.no_grad():
            exact = network.run(x, steps, meter)
        weight = score_weight(network.graph, steps) / x.shape[1]

        def back(g: Tensor) -> Tensor:
            return pull_back(network, meter.gains, g * weight)

        found: Tensor = _OneFrame.apply(x, exact, back)  # type: ignore[no-untyped-call]
        return found

    def _crafting(self, network: Network) -> Network:
        return network.in_bf16 if self.precision == "bf16" else network

    def _all_steps(self, network: Network, x: Tensor, steps: int) -> Tensor:
        trace = Trace()
        with torch.no_grad():
            exact = network.run(x, steps, trace=trace)
            gains = {name: self._gain(network, name, trace) for name in network.neurons}
        path = network.run(x, steps, _KnownSpikes(trace.spikes, gains))
        # The value is that of inference to the bit; only the gradient comes from the path.
        return exact + (path - path.detach())

    def _gain(self, network: Network, name: str, trace: Trace) -> Tensor:
        """Shape (B, ...); (T, B, ...) where it is to be averaged with the gradient of each step."""
        neuron, h = network.neurons[name], trace.membrane[name]
        seen = [r for frame in h if (r := self.respond(neuron, frame)) is not None]
        response = torch.stack(seen) if seen else None
        if response is not None and network.graph.recurrent:
            response = response.mean(0)  # in a loop the gradients of later steps come too late
        return self.gain(neuron, trace.drive[name], trace.spikes[name], response)


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


class _Meter(Spikes):
    """The exact law; of every node it leaves the gain, and of every frame nothing."""

    def __init__(self, estimator: RateEstimator) -> None:
        self.estimator = estimator
        self.gains: dict[str, Tensor] = {}

    def sequence(
        self, name: str, neuron: Neuron, x: Tensor, steps: int, *, membrane: bool
    ) -> tuple[Tensor, Tensor | None]:
        total: Tensor | None = None

        def watch(h: Tensor) -> None:
            nonlocal total
            seen = self.estimator.respond(neuron, h)
            if seen is not None:
                total = seen if total is None else total.add_(seen)

        spikes = lif_sequence(neuron, x, steps, watch)
        mean = None if total is None else total / steps
        self.gains[name] = self.estimator.gain(neuron, x, spikes, mean)
        return spikes, None


class _KnownSpikes(Spikes):
    """Known spikes with a gain as their derivative by the input, over all steps."""

    def __init__(self, known: dict[str, Tensor], gains: dict[str, Tensor]) -> None:
        self.known, self.gains = known, gains
        self.at: dict[str, int] = dict.fromkeys(known, 0)

    def step(self, name: str, neuron: Neuron, state: State, x: Tensor) -> tuple[Tensor, Tensor]:
        known = self.known[name][self.at[name]]
        s: Tensor = _Known.apply(x, known, self.gains[name])  # type: ignore[no-untyped-call]
        self.at[name] += 1
        return s, s

    def sequence(
        self, name: str, neuron: Neuron, x: Tensor, steps: int, *, membrane: bool
    ) -> tuple[Tensor, Tensor | None]:
        x = x.expand(steps, *x.shape[1:])
        gain = self.gains[name]
        law = _KnownApart if gain.ndim == x.ndim else _Known
        s: Tensor = law.apply(x, self.known[name], gain)  # type: ignore[no-untyped-call]
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


class _KnownApart(_Known):
    """With a gain (T, B, ...) of each step, and the mean over the steps as the gradient."""

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        found, _, _ = _Known.backward(ctx, *grads)
        return found.mean(0, keepdim=True).expand_as(found), None, None


class _OneFrame(torch.autograd.Function):
    """Known scores, with the gradient of one frame for every step of the input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, exact: Tensor, back: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.back, ctx.shape, ctx.dtype = back, x.shape, x.dtype
        return exact.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        frame = ctx.back(grads[0]).to(ctx.dtype)
        return frame.unsqueeze(1).expand(ctx.shape), None, None


def mean_current(neuron: Neuron, drive: Tensor) -> tuple[Tensor, Tensor]:
    """Time mean of the current into the membrane, and its derivative by the input.

    A synaptic filter is taken at its DC gain ``1 / (1 - alpha)``; gains multiply; the bias adds.
    """
    slope = current_slope(neuron)
    current = slope * time_mean(drive, slope.dtype)
    return (current if neuron.bias is None else current + neuron.bias), slope


def time_mean(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Mean over the first axis, frame by frame, which is several times faster than by columns."""
    total = x[0].to(dtype, copy=True)
    for frame in x[1:]:
        total += frame
    return total if len(x) == 1 else total / len(x)


def holds(compare: Callable[..., Tensor], x: Tensor, limit: Tensor | float) -> Tensor:
    """1 or 0 in the dtype of ``x``; much faster than to compare first and convert then."""
    found: Tensor = compare(x, limit, out=torch.empty_like(x))
    return found


def current_slope(neuron: Neuron) -> Tensor:
    """Derivative of the mean current into the membrane by the mean input."""
    slope = torch.ones_like(neuron.beta[(0,) * neuron.beta.ndim])
    for factor in (neuron.gain_in, neuron.gain_syn):
        if factor is not None:
            slope = slope * factor
    if neuron.alpha is not None:
        slope = slope / (1 - neuron.alpha).clamp(min=torch.finfo(slope.dtype).eps)
    return slope
