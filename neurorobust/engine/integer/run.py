"""One run: node after node over all steps, or step by step where there are loops.

Values are (B, T or 1, N): (B, 1, N) where they are the same in every step, which nodes without
memory then see once.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neurorobust.engine.integer.coding import scores
from neurorobust.engine.integer.trace import Counters, FixedTrace, Watched
from neurorobust.ir import Array, FixedLIF, Flatten, Output
from neurorobust.ir.fixed import FixedNeuron

if TYPE_CHECKING:
    from neurorobust.engine.integer.network import FixedNetwork


@dataclass(slots=True, eq=False)
class Space:
    """Room for one chunk of samples, per node.

    Attributes:
        values: What a unit gives.
        arrivals: What arrives, where it is not just what one source gives.
        membrane: Of spiking populations, if it is recorded.
    """

    values: dict[str, Tensor] = field(default_factory=dict)
    arrivals: dict[str, Tensor] = field(default_factory=dict)
    membrane: dict[str, Tensor] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Its size, at least one."""
        rooms = (self.values, self.arrivals, self.membrane)
        return max(1, sum(t.numel() * t.element_size() for room in rooms for t in room.values()))

    def first(self, samples: int) -> "Space":
        """The room of the first samples."""
        rooms = (self.values, self.arrivals, self.membrane)
        return Space(*({name: t[:samples] for name, t in room.items()} for room in rooms))


class Run:
    """One run over a stimulus; chunks may run at the same time, each in a space of its own.

    Args:
        network: What runs.
        samples: Number of samples B.
        steps: Number of steps T.
        static: Whether the stimulus is the same in every step.
        record: See ``FixedNetwork.run``.
    """

    def __init__(
        self,
        network: "FixedNetwork",
        samples: int,
        steps: int,
        *,
        static: bool,
        record: Collection[str],
    ) -> None:
        self.network, self.program, self.steps = network, network.program, steps
        self.record = frozenset(record)
        self.watched = bool(self.record & {"membrane", "overflows"})
        self.incoming = {name: self.program.incoming(name) for name in self.program.order}
        self.lengths: dict[str, int] = {}
        self.given: dict[str, int] = {}
        for name in self.program.order:
            node, edges = self.program.nodes[name], self.incoming[name]
            constant = all(self.lengths.get(e.source) == 1 and not e.delay for e in edges)
            self.given[name] = 1 if constant and (edges or static) else steps
            self.lengths[name] = steps if node.stateful else self.given[name]
        self.trace = self._trace(samples)

    def space(self, samples: int) -> Space:
        """Room for so many samples."""
        space, network, shapes = Space(), self.network, self.program.shapes

        def room(name: str, dtype: torch.dtype, length: int) -> Tensor:
            size = samples, length, prod(shapes[name])
            return torch.empty(size, dtype=dtype, device=network.device)

        space.values[self.program.input] = room(
            self.program.input, network.encoder.dtype, self.lengths[self.program.input]
        )
        for name, unit in network.units.items():
            space.values[name] = room(name, unit.dtype, self.lengths[name])
            node = self.program.nodes[name]
            if "membrane" in self.record and isinstance(node, FixedNeuron) and node.spiking:
                space.membrane[name] = room(name, torch.int32, self.steps)
        for name, edges in self.incoming.items():
            if (dtype := self._gathers(name, space)) is not None:
                space.arrivals[name] = room(edges[0].source, dtype, self.given[name])
        return space

    def advance(self, values: Array, chunk: slice, space: Space) -> None:
        """Run some samples through all steps and note what is recorded."""
        samples = len(values)
        space = space.first(samples)
        out = dict(space.values)
        units = self.network.units
        states = {name: unit.rest(samples) for name, unit in units.items()}
        counters = {name: Counters.zeros(samples, self.network.device) for name in self.counted}
        self.network.encoder(values, out[self.program.input])
        blocks = [range(t, t + 1) for t in range(self.steps)]
        for block in blocks if self.program.recurrent else [range(self.steps)]:
            for name in self.program.order:
                if name == self.program.input or (self.lengths[name] == 1 and block.start):
                    continue
                arrived = self._arriving(name, out, space.arrivals, block)
                if name not in units:
                    out[name] = arrived
                    continue
                steps = block if self.lengths[name] > 1 else range(1)
                seen = Watched(counters.get(name), space.membrane.get(name))
                units[name].advance(states[name], arrived, out[name], steps, seen)
        self._note(chunk, out, space.membrane, counters)

    @property
    def counted(self) -> Collection[str]:
        """Nodes whose overflows are counted."""
        if "overflows" not in self.record:
            return ()
        return [n for n in self.network.units if not isinstance(self.program.nodes[n], Flatten)]

    def _gathers(self, name: str, space: Space) -> torch.dtype | None:
        """The type in which a node's input must be put together; None where a source has it."""
        if not (edges := self.incoming[name]):
            return None
        unit = self.network.units.get(name)
        wanted = unit.takes(watched=self.watched) if unit is not None else None
        source = space.values.get(edges[0].source, space.arrivals.get(edges[0].source))
        alone = len(edges) == 1 and not edges[0].delay
        if alone and (wanted is None or (source is not None and source.dtype == wanted)):
            return None
        return wanted or torch.int32

    def _arriving(
        self, name: str, out: Mapping[str, Tensor], arrivals: Mapping[str, Tensor], block: range
    ) -> Tensor:
        """The sum over the edges of what each source gave ``delay`` steps ago, zeros before."""
        edges = self.incoming[name]
        if name not in arrivals:
            return out[edges[0].source]
        total = arrivals[name]
        here = block if self.given[name] > 1 else range(1)
        total[:, here.start : here.stop] = 0
        for edge in edges:
            first = max(here.start, edge.delay)
            if first < here.stop:
                given = out[edge.source]
                if given.shape[1] > 1:
                    given = given[:, first - edge.delay : here.stop - edge.delay]
                total[:, first : here.stop] += given  # int32 wraps as the chip does
        return total

    def _trace(self, samples: int) -> FixedTrace:
        """Room for what is recorded of all samples."""
        program, shapes = self.program, self.program.shapes
        trace = FixedTrace(torch.empty(samples, *shapes[program.output], dtype=torch.float64))
        for name, node in program.nodes.items():
            whole = samples, self.steps, *shapes[name]
            if "spikes" in self.record and node.spiking:
                unsigned = isinstance(node, FixedLIF)
                dtype = torch.uint8 if unsigned else torch.int8
                trace.spikes[name] = torch.empty(whole, dtype=dtype)
            if "membrane" in self.record and isinstance(node, FixedNeuron):
                trace.membrane[name] = torch.empty(whole, dtype=torch.int32)
        for name in self.counted:
            trace.overflows[name] = Counters.zeros(samples, torch.device("cpu"))
        return trace

    def _note(
        self,
        chunk: slice,
        out: Mapping[str, Tensor],
        membrane: Mapping[str, Tensor],
        counters: Mapping[str, Counters],
    ) -> None:
        program, trace = self.program, self.trace
        node = program.nodes[program.output]
        assert isinstance(node, Output)  # noqa: S101  # holds for every checked Program
        arrived = out[program.output].expand(-1, self.steps, -1)
        trace.scores[chunk] = (scores(node.readout, arrived) * program.score_unit).cpu()
        for name, spikes in trace.spikes.items():
            spikes[chunk] = self._natural(name, out[name])
        for name, recorded in trace.membrane.items():
            recorded[chunk] = self._natural(name, membrane.get(name, out[name]))
        for name, counts in counters.items():
            times = self.steps if self.lengths[name] == 1 else 1
            trace.overflows[name].wrapped[chunk] = (counts.wrapped * times).cpu()
            trace.overflows[name].saturated[chunk] = (counts.saturated * times).cpu()

    def _natural(self, name: str, value: Tensor) -> Tensor:
        """Values of a node as (B, T, ...) in C order."""
        return self.network.natural(value, self.program.shapes[name]).cpu()
