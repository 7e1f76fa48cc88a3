"""A Graph as a differentiable multi-step network.

Without loops the whole time axis goes through one node at a time, so that linear maps see one large
batch, and a static input passes them once; values are dropped after their last use. With loops the
network goes step by step.
"""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from neurorobust.engine.dynamics import (
    Integrator,
    Neuron,
    State,
    exact_fire,
    initial_state,
    li_sequence,
    li_step,
    lif_sequence,
    lif_step,
)
from neurorobust.engine.edges import arriving, arriving_at
from neurorobust.engine.linear import linear_map
from neurorobust.ir import LI, LIF, Graph, Output, normalisation
from neurorobust.ir.ports import Readout

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Trace:
    """What a run leaves behind, per node and time first: (T, B, ...).

    Attributes:
        spikes: Of every LIF node.
        membrane: ``h`` before reset, of LIF and LI nodes.
        drive: Input of every LIF node; (1, B, ...) where it is the same in every step.
    """

    spikes: dict[str, Tensor] = field(default_factory=dict)
    membrane: dict[str, Tensor] = field(default_factory=dict)
    drive: dict[str, Tensor] = field(default_factory=dict)


class Spikes:
    """How LIF nodes turn input into spikes, step by step: the exact law, without gradients.

    Gradient estimators derive from it and change nothing but the backward rule.
    """

    def step(self, name: str, neuron: Neuron, state: State, x: Tensor) -> tuple[Tensor, Tensor]:
        """One step of the node ``name``; see ``lif_step``."""
        return lif_step(neuron, state, x, exact_fire)

    def sequence(
        self, name: str, neuron: Neuron, x: Tensor, steps: int, *, membrane: bool
    ) -> tuple[Tensor, Tensor | None]:
        """All steps of the node ``name``.

        Args:
            name: The node.
            neuron: Its parameters.
            x: Input, (T or 1, B, ...).
            steps: Number of steps T.
            membrane: Whether the membranes are wanted too.

        Returns:
            Spikes in the dtype of ``x``, and membranes or None; (T, B, ...).
        """
        # Indexing would make the gradient of every step as large as all steps.
        parts = [part.to(neuron.beta.dtype) for part in x.unbind(0)]
        state = initial_state(neuron, parts[0])
        pairs = [
            self.step(name, neuron, state, parts[t if len(parts) > 1 else 0]) for t in range(steps)
        ]
        fired = stack([s for s, _ in pairs]).to(x.dtype)
        return fired, stack([h for _, h in pairs]) if membrane else None


class _Exact(Spikes):
    """The same numbers in less time and memory where no membranes are wanted."""

    def sequence(
        self, name: str, neuron: Neuron, x: Tensor, steps: int, *, membrane: bool
    ) -> tuple[Tensor, Tensor | None]:
        if membrane:
            return super().sequence(name, neuron, x, steps, membrane=True)
        return lif_sequence(neuron, x, steps), None


EXACT = _Exact()


def stack(frames: list[Tensor]) -> Tensor:
    """``torch.stack`` that keeps channels last, which convolutions after it need."""
    if frames[0].ndim == 4 and frames[0].is_contiguous(memory_format=torch.channels_last):
        return torch.stack([f.permute(0, 2, 3, 1) for f in frames]).permute(0, 1, 4, 2, 3)
    return torch.stack(frames)


class Network:
    """Executes a Graph with torch on any device.

    Args:
        graph: The model.
        device: Where to run.
        dtype: ``torch.float64`` or ``torch.float32``.
        spiking_dtype: Of the weights behind the first spikes and of the values between them, e.g.
            ``torch.bfloat16``; neurons and what comes before any spike stay in ``dtype``.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
        spiking_dtype: torch.dtype | None = None,
    ) -> None:
        self.graph = graph
        self.like = torch.empty((), device=device, dtype=dtype)
        self.spiking_dtype = spiking_dtype or dtype
        behind = _behind_spikes(graph)
        self.maps = {
            name: linear_map(node, self.like, self.spiking_dtype if name in behind else dtype)
            for name, node in graph.nodes.items()
        }
        self.neurons = {name: Neuron.of(node, self.like) for name, node in graph.of_kind(LIF)}
        self.integrators = {n: Integrator.of(node, self.like) for n, node in graph.of_kind(LI)}
        per_channel = normalisation(graph.header, graph.shapes[graph.input])
        self.mean, self.std = (torch.tensor(values).to(self.like) for values in per_channel)

    @cached_property
    def in_bf16(self) -> "Network":
        """The same network with bfloat16 between spikes: faster, and another forward pass."""
        device, dtype = self.like.device, self.like.dtype
        return Network(self.graph, device=device, dtype=dtype, spiking_dtype=torch.bfloat16)

    def run(
        self, x: Tensor, steps: int, spikes: Spikes = EXACT, trace: Trace | None = None
    ) -> Tensor:
        """Scores of a stimulus.

        Args:
            x: Shape (B, T, ...) or (B, 1, ...) for a static stimulus.
            steps: Number of steps T.
            spikes: The law by which nodes fire, with its backward rule.
            trace: Filled with what happened, if given.

        Returns:
            Scores, shape (B, classes).
        """
        values = self.arrivals(x, steps, spikes, trace)
        node = self.graph.nodes[self.graph.output]
        assert isinstance(node, Output)  # noqa: S101  # holds for every checked Graph
        return readout(node.readout, values.to(self.like.dtype), steps)

    def arrivals(
        self, x: Tensor, steps: int, spikes: Spikes = EXACT, trace: Trace | None = None
    ) -> Tensor:
        """What arrives at the Output, (T, B, N), or (1, B, N) where every step brings the same.

        Takes what ``run`` takes.
        """
        x = (x.to(self.like).transpose(0, 1) - self.mean) / self.std
        whole = self._stepwise if self.graph.recurrent else self._layerwise
        return whole(x, steps, spikes, trace)

    def _layerwise(self, x: Tensor, steps: int, spikes: Spikes, trace: Trace | None) -> Tensor:
        graph, out = self.graph, {self.graph.input: x}
        readers = Counter(edge.source for edge in graph.edges)
        for name in graph.order:
            if name == graph.input:
                continue
            value = arriving(graph, name, out, steps)
            for edge in graph.incoming(name):
                readers[edge.source] -= 1
                if not readers[edge.source]:
                    del out[edge.source]
            if name in self.neurons:
                value = self._fire(name, value, steps, spikes, trace)
            elif name in self.integrators:
                value = li_sequence(self.integrators[name], value.to(self.like.dtype), steps)
                self._note(trace, name, None, value)
            elif (function := self.maps[name]) is not None:
                value = function(value.flatten(0, 1)).unflatten(0, value.shape[:2])
            out[name] = value
        return out[graph.output]

    def _fire(
        self, name: str, x: Tensor, steps: int, spikes: Spikes, trace: Trace | None
    ) -> Tensor:
        membrane = trace is not None
        value, h = spikes.sequence(name, self.neurons[name], x, steps, membrane=membrane)
        if trace is not None:
            trace.drive[name] = x
        self._note(trace, name, value, h)
        return value.to(self.spiking_dtype)

    def _stepwise(self, x: Tensor, steps: int, spikes: Spikes, trace: Trace | None) -> Tensor:
        graph = self.graph
        history: dict[str, list[Tensor]] = {name: [] for name in graph.nodes}
        membrane: dict[str, list[Tensor]] = {name: [] for name in graph.nodes}
        drive: dict[str, list[Tensor]] = {name: [] for name in self.neurons}
        states: dict[str, State] = {}
        for t in range(steps):
            for name in graph.order:
                if name == graph.input:
                    history[name].append(x[t if len(x) > 1 else 0])
                    continue
                value = arriving_at(graph, name, history, t, x)
                if name in self.neurons:
                    neuron, value = self.neurons[name], value.to(self.like.dtype)
                    state = states.setdefault(name, initial_state(neuron, value))
                    drive[name].append(value)
                    value, h = spikes.step(name, neuron, state, value)
                    membrane[name].append(h)
                    value = value.to(self.spiking_dtype)
                elif name in self.integrators:
                    neuron_li, value = self.integrators[name], value.to(self.like.dtype)
                    before = history[name][-1] if t else neuron_li.v_init.expand_as(value)
                    value = li_step(neuron_li, before, value)
                    membrane[name].append(value)
                elif (function := self.maps[name]) is not None:
                    value = function(value)
                history[name].append(value)
        if trace is not None:
            for name in self.neurons:
                trace.drive[name] = torch.stack(drive[name])
                self._note(trace, name, torch.stack(history[name]), torch.stack(membrane[name]))
            for name in self.integrators:
                self._note(trace, name, None, torch.stack(membrane[name]))
        return torch.stack(history[graph.output])

    @staticmethod
    def _note(trace: Trace | None, name: str, spikes: Tensor | None, h: Tensor | None) -> None:
        if trace is not None and spikes is not None:
            trace.spikes[name] = spikes
        if trace is not None and h is not None:
            trace.membrane[name] = h


def _behind_spikes(graph: Graph) -> set[str]:
    """Nodes that a path from some neuron leads to."""
    found: set[str] = set()
    front = set(graph.spiking)
    while front:
        front = {edge.target for edge in graph.edges if edge.source in front} - found
        found |= front
    return found


def readout(kind: Readout, values: Tensor, steps: int) -> Tensor:
    """Scores (B, classes) from values (T or 1, B, classes); see ``neurorobust.ir.Output``."""
    values = values.expand(steps, *values.shape[1:])
    match kind:
        case "count":
            return values.sum(0)
        case "mean":
            return values.sum(0) / steps
        case "last":
            return values[-1]
        case "max":
            return values.amax(0)
        case "first":
            rank = torch.arange(steps, 0, -1, device=values.device, dtype=values.dtype)
            return ((values > 0).to(values.dtype) * rank[:, None, None]).amax(0)
