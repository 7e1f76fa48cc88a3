"""What arrives at every layer of weights, from the recorded outputs of all that has memory.

Maps without memory are computed anew. Beside its value, a signal says how much of it is spikes and
how much is graded; pooling of spikes only adds them up, as it does once it is folded into the
weights behind it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from neurorobust import ir
from neurorobust.backends import RunResult
from neurorobust.data import Stimulus
from neurorobust.engine.linear import linear_map
from neurorobust.errors import Unsupported
from neurorobust.metrics.synapses import is_synapse


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """What arrives at, or leaves, a node; shapes (B, T, ...).

    Attributes:
        value: All of it.
        events: Spikes per step, poolings of them as sums; None if no spikes arrive.
        graded: What is not spikes; None if all of it is.
    """

    value: ir.Array
    events: ir.Array | None
    graded: ir.Array | None

    def __add__(self, other: "Signal") -> "Signal":
        return Signal(
            self.value + other.value,
            _sum(self.events, other.events),
            _sum(self.graded, other.graded),
        )

    def delayed(self, steps: int) -> Self:
        """The same, some steps later, after zeros."""
        if not steps:
            return self
        return type(self)(*(_shift(part, steps) for part in (self.value, self.events, self.graded)))  # type: ignore[arg-type]


def arriving(model: ir.Model, stimulus: Stimulus, run: RunResult) -> Iterator[tuple[str, Signal]]:
    """What arrives at each layer of weights, in no particular order.

    Args:
        model: A Graph, or a Program without its host.
        stimulus: What it was shown.
        run: With spikes and membranes recorded.

    Raises:
        Unsupported: for a loop of maps without memory, or weights behind weights in a Program.
    """
    between = {name for name, node in model.nodes.items() if not _recorded(node)}
    behind = {
        name: [edge.source for edge in model.incoming(name) if edge.source in between]
        for name in model.order
        if name in between
    }
    readers = Counter(source for sources in behind.values() for source in sources)
    kept: dict[str, Signal] = {}
    for name in _sorted(behind):
        parts = [
            (
                kept[edge.source]
                if edge.source in between
                else _source(model, edge.source, stimulus, run)
            ).delayed(edge.delay)
            for edge in model.incoming(name)
        ]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        if is_synapse(model.nodes[name]):
            yield name, total
        for source in behind[name]:
            readers[source] -= 1
            if not readers[source]:
                del kept[source]
        if readers[name]:
            kept[name] = _through(name, model.nodes[name], total)


def _recorded(node: ir.Node) -> bool:
    return node.spiking or isinstance(node, ir.Input | ir.LI | ir.FixedLI)


def _sorted(behind: dict[str, list[str]]) -> tuple[str, ...]:
    try:
        return tuple(TopologicalSorter(behind).static_order())
    except CycleError as error:
        loop = " -> ".join(error.args[1])
        raise Unsupported(
            f"{loop}: a loop without neurons, whose values no run records; operations are counted "
            "where every loop has a neuron in it"
        ) from error


def _source(model: ir.Model, name: str, stimulus: Stimulus, run: RunResult) -> Signal:
    node = model.nodes[name]
    if isinstance(node, ir.Input):
        return _shown(model.header, node, stimulus)
    if node.spiking:
        spikes = run.spikes[name].astype(np.int64)
        return Signal(spikes.astype(np.float64), np.abs(spikes), None)
    membrane = run.membrane[name].astype(np.float64)
    return Signal(membrane, None, membrane)


def _shown(header: ir.Header, node: ir.Input, stimulus: Stimulus) -> Signal:
    """The stimulus as the network gets it: spikes of a sample are 0, 1, -1, or whole events."""
    values = stimulus.values.astype(np.float64)
    if isinstance(node, ir.FixedInput):
        values = np.rint((values - node.offset) * node.scale).clip(node.low, node.high)
    values = ir.preprocess(header, values, 2)
    values = np.broadcast_to(values, (len(values), stimulus.steps, *node.shape))
    size, inner = np.abs(values), tuple(range(1, values.ndim))
    spikes = ((size == 0) | (size == 1)).all(axis=inner, keepdims=True)
    if header.coding != "direct":
        spikes |= (size == np.rint(size)).all(axis=inner, keepdims=True)
    events = np.where(spikes, size, 0).astype(np.int64) if spikes.any() else None
    return Signal(values, events, None if spikes.all() else np.where(spikes, 0, values))


def _through(name: str, node: ir.Node, arrived: Signal) -> Signal:
    """What a map without memory makes of it."""
    value, events, graded = arrived.value, arrived.events, arrived.graded
    if isinstance(node, ir.Flatten | ir.Output):
        flat = (*value.shape[:2], -1)
        return Signal(value.reshape(flat), _as(events, flat), _as(graded, flat))
    if is_synapse(node) and (isinstance(node, ir.FixedDense) or node.arithmetic == "integer"):
        msg = f"{name}: feeds weights directly; operations are counted where neurons lie between"
        raise Unsupported(msg)
    value = _mapped(node, value)
    if not isinstance(node, ir.Pool2d):
        return Signal(value, None, value)
    if node.op == "max":
        spikes = np.abs(value).astype(np.int64) if graded is None else None
        return Signal(value, spikes, None if graded is None else value)
    if events is not None:
        merged = torch.from_numpy(events.astype(np.float64)).flatten(0, 1)
        sums = F.avg_pool2d(merged, node.kernel, node.stride, node.padding, divisor_override=1)
        events = sums.unflatten(0, value.shape[:2]).numpy().astype(np.int64)
    return Signal(value, events, None if graded is None else _mapped(node, graded))


def _mapped(node: ir.Node, values: ir.Array) -> ir.Array:
    function = linear_map(node, torch.zeros((), dtype=torch.float64))
    assert function is not None  # noqa: S101  # all that has memory was recorded
    x = torch.tensor(np.ascontiguousarray(values))
    with torch.no_grad():
        mapped: ir.Array = function(x.flatten(0, 1)).unflatten(0, x.shape[:2]).numpy()
    return mapped


def _sum(a: ir.Array | None, b: ir.Array | None) -> ir.Array | None:
    if a is None or b is None:
        return b if a is None else a
    total: ir.Array = a + b
    return total


def _shift(values: ir.Array | None, steps: int) -> ir.Array | None:
    if values is None:
        return None
    shifted = np.zeros_like(values)
    shifted[:, steps:] = values[:, : max(values.shape[1] - steps, 0)]
    return shifted


def _as(values: ir.Array | None, shape: tuple[int, ...]) -> ir.Array | None:
    return None if values is None else values.reshape(shape)
