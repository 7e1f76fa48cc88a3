"""Adapter to real Lava: rung ``float`` (``floating_pt``) and rung ``quantised`` (``fixed_pt``)."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from neurorobust.backends import (
    Capabilities,
    Executable,
    Precision,
    Record,
    Rung,
    RunResult,
    require_support,
)
from neurorobust.backends.hosted import hosted
from neurorobust.backends.runs import read_out, require_run
from neurorobust.data import Stimulus
from neurorobust.errors import BackendUnavailable, InvalidInput
from neurorobust.formats.lava.mapping import build, image_to_lava, periodic
from neurorobust.formats.lava.schedule import Schedule
from neurorobust.formats.lava.wiring import Wiring, paths_into, wire
from neurorobust.ir import Array, FixedInput, FixedTernaryLIF, Graph, Model, Output, Program
from neurorobust_lava.gaps import CAPABILITIES, ROUNDING, prepared

if TYPE_CHECKING:
    from neurorobust_lava.process import LavaWorker, Reset


@dataclass(frozen=True, slots=True)
class LavaBackend:
    """Runs in a Python 3.10 process of its own; see ``neurorobust env``."""

    name: str = "lava"

    def capabilities(self) -> Capabilities:
        """What Lava's neurons and synapses can say."""
        return CAPABILITIES

    def missing(self) -> str | None:
        """Whether the environment is built."""
        from neurorobust.backends.worker.environments import interpreter
        from neurorobust_lava.environment import LAVA_ENVIRONMENT

        try:
            interpreter(LAVA_ENVIRONMENT)
        except BackendUnavailable as error:
            return str(error)
        return None

    def versions(self) -> Mapping[str, str]:
        """Versions in the worker's environment."""
        from neurorobust_lava.process import LavaWorker

        with LavaWorker() as worker:
            described = worker.describe()
        return {"python": described["python"], **described["packages"]}

    def compile(self, model: Model, rung: Rung, *, precision: Precision = "double") -> Executable:
        """Map the model and start a worker."""
        require_support(self.name, self.capabilities(), model, rung)
        if split := hosted(model, lambda part: self.compile(part, rung, precision=precision)):
            return split
        if precision != "double":
            msg = "lava: computes in double precision (float) or integers; leave precision as it is"
            raise InvalidInput(msg)
        if reason := self.missing():
            raise BackendUnavailable(reason)
        from neurorobust_lava.process import LavaWorker

        ready = prepared(model) if isinstance(model, Graph) else model
        return _Run(ready, wire(ready), LavaWorker())


@dataclass(slots=True)
class _Run:
    model: Model
    wiring: Wiring
    worker: "LavaWorker"
    loaded: tuple[Schedule, tuple[str, ...]] | None = None
    closed: bool = False

    def run(self, stimulus: Stimulus, record: Collection[Record] = ()) -> RunResult:
        require_run(self.model, stimulus, record, closed=self.closed, membrane=False)
        start = time.perf_counter()
        layers = self.wiring.layers
        schedule, reset = self._plan(len(stimulus), stimulus.steps)
        feeding = [path.source for path in paths_into(self.model, self.model.output)]
        wanted = self.model.spiking if "spikes" in record else feeding
        # Every sink is a process of its own and costs time in every step.
        recorded = tuple(name for name in wanted if self.model.nodes[name].spiking)
        if self.loaded != (schedule, recorded):
            self.worker.load(build(self.model, self.wiring, schedule, recorded))
            self.loaded = schedule, recorded
        graded = {
            name: self._instants(schedule, name)
            for name in feeding
            if not self.model.nodes[name].spiking
        }
        left = self.worker.run(
            {self.model.input: schedule.pack(self._codes(stimulus))},
            schedule.total if reset == "none" else schedule.samples * schedule.period,
            membrane=graded,
            reset=reset,
            every=None if reset == "none" else schedule.period,
        )
        spikes = {
            name: _ours(schedule.unpack(left.sinks[f"{name}.spikes"], layers[name]))
            for name in recorded
        }
        values = spikes | {
            name: _ours(v.reshape(len(stimulus), -1, *v.shape[1:]))
            for name, v in left.membrane.items()
        }
        return RunResult(
            scores=self._scores(values),
            spikes={n: self._typed(n, s) for n, s in spikes.items()} if "spikes" in record else {},
            deviations=() if isinstance(self.model, Program) else (ROUNDING,),
            wall_s=time.perf_counter() - start,
        )

    def close(self) -> None:
        self.closed = True
        self.worker.close()

    def _plan(self, samples: int, steps: int) -> "tuple[Schedule, Reset]":
        """When each sample is shown, and how it is kept from the next."""
        joined = Schedule(samples, steps, max(self.wiring.layers.values()))
        if self.wiring.chained and self._in_step(joined):
            return joined, "none"
        apart = replace(joined, gap=max(joined.depth, 1))
        return apart, "clear" if self._in_step(apart) else "fresh"

    def _in_step(self, schedule: Schedule) -> bool:
        """Whether the resets within samples come at the same steps of each, and hide nothing."""
        for node in self.model.nodes.values():
            reset = periodic(node, schedule)
            if reset and schedule.period % reset[0]:
                return False
            # The reset between two samples would come before the last membrane is read.
            apart = schedule.gap or node.spiking
            if reset and reset != (schedule.period, 0) and not apart:
                return False
        return True

    def _typed(self, name: str, spikes: Array) -> Array:
        ternary = isinstance(self.model.nodes[name], FixedTernaryLIF)
        return spikes.astype(np.int8 if ternary else np.uint8)

    def _codes(self, stimulus: Stimulus) -> Array:
        """The input of every step in Lava's layout; integers on the quantised rung."""
        node = self.model.nodes[self.model.input]
        values = stimulus.values.astype(np.float64)
        if isinstance(node, FixedInput):
            codes = np.rint((values - node.offset) * node.scale).clip(node.low, node.high)
            values = codes.astype(np.int64)
        whole = np.broadcast_to(values, (len(values), stimulus.steps, *values.shape[2:]))
        return np.ascontiguousarray(image_to_lava(whole, values.ndim - 2))

    def _instants(self, schedule: Schedule, name: str) -> tuple[int, ...]:
        """Steps in which to read an integrator: each sample's last, or all of each sample."""
        ends = schedule.last_steps(self.wiring.layers[name])
        late = any(path.delay for path in paths_into(self.model, self.model.output))
        if self._output.readout == "last" and not late:
            return ends
        return tuple(end - back for end in ends for back in range(schedule.steps - 1, -1, -1))

    @property
    def _output(self) -> Output:
        node = self.model.nodes[self.model.output]
        assert isinstance(node, Output)  # noqa: S101  # holds for every checked model
        return node

    def _scores(self, values: Mapping[str, Array]) -> Array:
        arrived: Any = 0
        for path in paths_into(self.model, self.model.output):
            flat = values[path.source].reshape(*values[path.source].shape[:2], -1)
            arrived = arrived + np.pad(flat, [(0, 0), (path.delay, 0), (0, 0)])[:, : flat.shape[1]]
        unit = self.model.score_unit if isinstance(self.model, Program) else 1.0
        return read_out(self._output.readout, np.asarray(arrived)) * unit


def _ours(values: Array) -> Array:
    """(B, T, W, H, C) → (B, T, C, H, W)."""
    return np.ascontiguousarray(image_to_lava(values, values.ndim - 2))
