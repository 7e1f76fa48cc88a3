"""One layer at a time by a Graph's law, driven with what another side recorded before it.

Every layer gets the recorded outputs of its sources, and is reset by its own recorded spikes. What
then differs is the layer's own doing at that very step: nothing is handed on, neither from layer to
layer nor from step to step.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from neurorobust.data import Stimulus
from neurorobust.engine.dynamics import (
    Integrator,
    Neuron,
    exact_fire,
    initial_state,
    li_sequence,
    lif_step,
)
from neurorobust.engine.edges import arriving
from neurorobust.engine.integer_gradient.as_graph import Quantiser
from neurorobust.engine.linear import linear_map
from neurorobust.ir import LI, LIF, Array, Graph, Input, preprocess

LOOSE = 1e-6
"""Membranes that a law predicts to this, relative to the largest, are those of the law."""

Key = tuple[object, ...]


class NotReplayableError(ValueError):
    """A layer whose past was not recorded: in a loop, or in another shape."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a law says about a layer, given the past that was recorded; (B, T, n).

    Attributes:
        membrane: Before reset.
        outputs: Spikes, or the membrane of an integrator.
        shift: Steps that the recorded layer runs late.
    """

    membrane: Array
    outputs: Array
    shift: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Misfit:
    """How far a prediction is from what was recorded.

    Attributes:
        bits: Outputs that differ.
        gaps: Membranes that differ, where they were recorded.
        size: Sum of the differences: of membranes if recorded, else how far membranes would have to
            move for the spikes to be as recorded.
    """

    bits: int
    gaps: int
    size: float


class Replay:
    """The recorded past of one side.

    Args:
        stimulus: What it was shown.
        outputs: Recorded per node of the Graph, (B, T, ...).
        membrane: Recorded membranes of spiking nodes.
    """

    def __init__(
        self, stimulus: Stimulus, outputs: Mapping[str, Array], membrane: Mapping[str, Array]
    ) -> None:
        self.steps = stimulus.steps
        self.x = _time_first(stimulus.values)
        self.given = {name: _time_first(values) for name, values in outputs.items()}
        self.membrane = {name: _flat(values) for name, values in membrane.items()}
        self._drive: tuple[Key, Tensor] | None = None

    def drive(self, graph: Graph, name: str) -> Tensor:
        """What arrives at a layer, (T or 1, B, ...).

        Raises:
            NotReplayableError: if the way to it is a loop through what was not recorded.
        """
        key = _upstream(graph, name, self.given)
        if self._drive is None or self._drive[0] != key:
            with torch.no_grad():
                self._drive = key, self._arriving(graph, name, ())
        return self._drive[1]

    def predict(
        self, graph: Graph, name: str, node: LIF | LI | None = None, *, shift: int = 0
    ) -> Prediction:
        """A layer by the Graph's law.

        Args:
            graph: The law.
            name: The layer, recorded.
            node: Another law of its neurons.
            shift: Steps that the recorded layer runs late.
        """
        law = graph.nodes[name] if node is None else node
        if shift >= self.steps:
            raise NotReplayableError(f"{name}: {shift} steps late is never, in {self.steps} steps")
        drive, seen = self.drive(graph, name), self.given[name]
        drive = drive.expand(self.steps, *drive.shape[1:])
        if shift:
            drive, seen = drive[:-shift], seen[shift:]
        with torch.no_grad():
            if isinstance(law, LI):
                h = s = _integrate(law, drive, seen)
            else:
                assert isinstance(law, LIF)  # noqa: S101  # layers are populations
                h, s = _fire(law, drive, seen)
        late = [torch.zeros_like(part[:1]).expand(shift, *part.shape[1:]) for part in (h, s)]
        h, s = (torch.cat([wait, part]) for wait, part in zip(late, (h, s), strict=True))
        membrane, outputs = (_flat(part.transpose(0, 1).numpy()) for part in (h, s))
        return Prediction(membrane, outputs, shift)

    def misfit(self, predicted: Prediction, graph: Graph, name: str, law: LIF | LI) -> Misfit:
        """How far a prediction for a layer is from what was recorded."""
        seen = _flat(self.given[name].transpose(0, 1).numpy())
        if isinstance(law, LI):
            gap = np.abs(predicted.outputs - seen)
            beyond = int((~(gap <= LOOSE * max(1.0, _largest(seen)))).sum())
            return Misfit(beyond, beyond, float(np.nan_to_num(gap, nan=1e9, posinf=1e9).sum()))
        bits = int((predicted.outputs != seen).sum())
        h = predicted.membrane
        if name in self.membrane:
            recorded, mine = self.membrane[name][:, predicted.shift :], h[:, predicted.shift :]
            gap = np.abs(mine - recorded)
            gaps = int((~(gap <= LOOSE * max(1.0, _largest(recorded)))).sum())
            return Misfit(bits, gaps, float(gap.sum()))
        shape = graph.shapes[name]
        threshold = np.broadcast_to(law.threshold, shape).reshape(1, 1, -1)
        return Misfit(bits, 0, float(np.abs(h - threshold)[predicted.outputs != seen].sum()))

    def seen(self, name: str) -> Array:
        """What a layer gave, (B, T, n)."""
        return _flat(self.given[name].transpose(0, 1).numpy())

    def _arriving(self, graph: Graph, name: str, way: tuple[str, ...]) -> Tensor:
        sources = {edge.source for edge in graph.incoming(name)}
        return arriving(
            graph, name, {s: self._value(graph, s, (*way, name)) for s in sources}, self.steps
        )

    def _value(self, graph: Graph, name: str, way: tuple[str, ...]) -> Tensor:
        if name in self.given:
            if tuple(self.given[name].shape[2:]) != graph.shapes[name]:
                raise NotReplayableError(f"{name}: it was recorded in another shape")
            return self.given[name]
        node = graph.nodes[name]
        if isinstance(node, Input):
            return preprocess(graph.header, self.x, 2)
        if name in way:
            raise NotReplayableError(f"{name}: a loop through a layer that was not recorded")
        x = self._arriving(graph, name, way)
        if isinstance(node, LIF):
            state, neuron = initial_state(Neuron.of(node, x), x[0]), Neuron.of(node, x)
            frames = x.expand(self.steps, *x.shape[1:])
            return torch.stack([lif_step(neuron, state, f, exact_fire)[0] for f in frames])
        if isinstance(node, LI):
            return li_sequence(Integrator.of(node, x), x, self.steps)
        if isinstance(node, Quantiser):
            q = ((x - node.input.offset) * node.input.scale).round()
            clipped = q.clamp(node.input.low, node.input.high)
            return clipped.reshape(*x.shape[:2], *node.input.shape)
        function = linear_map(node, x.new_empty(()))
        assert function is not None  # noqa: S101  # only maps are left
        value: Tensor = function(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return value


def _fire(law: LIF, drive: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Membranes and the spikes they stand for, each step after the resets that were recorded."""
    neuron = Neuron.of(law, drive)
    state = initial_state(neuron, drive[0])
    fired = seen.clamp(max=law.max_spikes)
    heights, spikes = [], []
    for x, recorded in zip(drive, fired, strict=True):
        rests = None if state.wait is None else state.wait > 0
        _, h = lif_step(neuron, state, x, partial(_told, recorded))
        own = exact_fire(neuron, h)
        spikes.append(own if rests is None else torch.where(rests, torch.zeros_like(own), own))
        heights.append(h)
    return torch.stack(heights), torch.stack(spikes)


def _told(recorded: Tensor, _neuron: Neuron, _h: Tensor) -> Tensor:
    return recorded


def _integrate(law: LI, drive: Tensor, seen: Tensor) -> Tensor:
    """Each step from the membrane that was recorded before it."""
    neuron = Integrator.of(law, drive)
    before = torch.cat([neuron.v_init.expand_as(drive[:1]), seen[:-1]])
    value: Tensor = neuron.beta * before + neuron.gain_in * drive + neuron.bias
    return value


def _upstream(graph: Graph, name: str, given: Mapping[str, Tensor]) -> Key:
    """All that decides a layer's drive; nodes by identity, which they keep while they are here."""
    key: list[object] = [graph.header.mean, graph.header.std]
    ahead, known = [name], set()
    while ahead:
        target = ahead.pop()
        for edge in graph.incoming(target):
            key += [edge, graph.nodes[edge.source]]
            if edge.source not in known and edge.source not in given:
                known.add(edge.source)
                ahead.append(edge.source)
    return tuple(key)


def _time_first(values: Array) -> Tensor:
    return torch.tensor(np.ascontiguousarray(values), dtype=torch.float64).transpose(0, 1)


def _flat(values: Array) -> Array:
    return values.reshape(*values.shape[:2], -1)


def _largest(values: Array) -> float:
    return float(np.abs(values).max(initial=0.0))
