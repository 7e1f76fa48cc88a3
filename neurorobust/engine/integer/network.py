"""Executing a Program: what computes its nodes, and samples in chunks that fit the cache."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from neurorobust.engine.integer.bounds import magnitudes
from neurorobust.engine.integer.coding import Encoder
from neurorobust.engine.integer.neurons import Population
from neurorobust.engine.integer.products import Synapse
from neurorobust.engine.integer.run import Run
from neurorobust.engine.integer.trace import FixedTrace
from neurorobust.engine.integer.unit import Unit
from neurorobust.ir import Array, FixedConv2d, FixedDense, FixedInput, Flatten, Program, Shape
from neurorobust.ir.fixed import FixedNeuron

WORKING_SET = {"cpu": 8 << 20, "cuda": 1 << 30}
"""Bytes of values that a chunk of samples may hold at a time."""


class FixedNetwork:
    """Executes a Program.

    Args:
        program: The model.
        device: Where to run.
        compiled: Whether to run the compiled loops; by default on CPUs, the only place for them.
    """

    def __init__(
        self, program: Program, *, device: torch.device | str = "cpu", compiled: bool | None = None
    ) -> None:
        self.program, self.device = program, torch.device(device)
        self.compiled = self.device.type == "cpu" if compiled is None else compiled
        node = program.nodes[program.input]
        assert isinstance(node, FixedInput)  # noqa: S101  # holds for every checked Program
        self.encoder = Encoder(node, self.device, compiled=self.compiled)
        self.units = self._units()

    def run(self, values: Array, steps: int, record: Collection[str] = ()) -> FixedTrace:
        """Run all samples from rest.

        Args:
            values: A stimulus (B, T or 1, ...) of input values.
            steps: Number of steps T.
            record: What to keep: ``spikes``, ``membrane``, ``overflows``.

        Raises:
            InvalidInput: if a value is no number, or a sum cannot be computed exactly.
        """
        run = Run(self, len(values), steps, static=values.shape[1] == 1, record=record)
        workers = torch.get_num_threads() if self.compiled else 1
        fitting = max(1, WORKING_SET[self.device.type] // run.space(1).bytes)
        size = max(1, min(fitting, -(-len(values) // workers)))
        chunks = [slice(at, at + size) for at in range(0, max(len(values), 1), size)]

        def work(lane: int) -> None:
            space = run.space(min(size, len(values)))
            for chunk in chunks[lane::workers]:
                run.advance(values[chunk], chunk, space)

        lanes = range(min(workers, len(chunks)))
        if len(lanes) == 1:
            work(0)
        else:
            with ThreadPoolExecutor(len(lanes)) as pool:
                list(pool.map(work, lanes))
        return run.trace

    def natural(self, value: Tensor, shape: Shape) -> Tensor:
        """Values of a node as (B, T, ...) in C order."""
        if self.compiled:
            from neurorobust.engine.integer.compiled import channels_first

            value = channels_first(value, shape)
        natural: Tensor = value.unflatten(-1, shape)
        return natural

    def _units(self) -> dict[str, Unit]:
        """What computes each node; others pass on what arrives."""
        program, units = self.program, dict[str, Unit]()
        arriving = magnitudes(program)
        for name in program.order:
            node, edges = program.nodes[name], program.incoming(name)
            if not isinstance(node, FixedNeuron | FixedDense | FixedConv2d | Flatten):
                continue
            source = edges[0].source
            shape = program.shapes[source]
            if not self.compiled:
                if isinstance(node, FixedNeuron):
                    units[name] = Population(node, shape, self.device)
                elif not isinstance(node, Flatten):
                    units[name] = Synapse(node, shape, arriving[name], self.device)
                continue
            from neurorobust.engine.integer import compiled

            if isinstance(node, FixedNeuron):
                units[name] = compiled.CompiledPopulation(node, shape)
            elif not isinstance(node, Flatten):
                units[name] = compiled.CompiledSynapse(node, shape, arriving[name])
            elif len(shape) == 3:
                given = self.encoder if source == program.input else units.get(source)
                alone = given is not None and len(edges) == 1
                dtype = given.dtype if given is not None and alone else torch.int32
                units[name] = compiled.ChannelsFirst(shape, dtype)
        return units
