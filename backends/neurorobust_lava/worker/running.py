"""Running a network: in one piece, or in episodes that each start from rest."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from assembly import Arrays, Assembly, Paths
from checks import Network
from guard import Guard, Report
from lava.magma.core.run_conditions import RunSteps  # noqa: TID251
from lava.magma.core.run_configs import Loihi2SimCfg  # noqa: TID251

Progress = Callable[[dict[str, Any]], None]

_CHUNK_STEPS = 500  # Between two progress reports; pausing Lava costs less than one step.


@dataclass
class Run:
    """All that one ``run`` call needs and yields.

    Args:
        network: A network that passed the checks.
        inputs: Data of every source, shape (steps, *shape), by name.
        sinks: File of every sink, by name, for ``steps`` rows.
        steps: Length of the run.
        membrane: Steps after which the voltage of a neuron process is read, by name.
        reset: ``none``, ``clear`` or ``fresh``, see :meth:`execute`.
        every: Length of an episode, for the last two.
        report: Called with (exception, traceback) when a Lava process fails.
        progress: Called with the number of steps done.
    """

    network: Network
    inputs: Arrays
    sinks: Paths
    steps: int
    membrane: dict[str, list[int]]
    reset: str
    every: int | None
    report: Report
    progress: Progress

    def __post_init__(self) -> None:
        """Make room for the voltages; nothing runs yet."""
        self.wanted = defaultdict(list)
        self.voltages = {}
        for name, when in self.membrane.items():
            for row, step in enumerate(when):
                self.wanted[step].append((name, row))
            shape = next(p["shape"] for p in self.network["processes"] if p["name"] == name)
            kind = np.int32 if self.network["tag"] == "fixed_pt" else np.float64
            self.voltages[name] = np.zeros((len(when), *shape), kind)
        self.timing = {"assemble_s": 0.0, "run_s": 0.0, "clear_s": 0.0}

    def execute(self) -> None:
        """Run all steps.

        ``none`` lets the network run through. ``clear`` pauses it every so many steps and sets
        each current, voltage and synaptic buffer to its value at the start, which is exact for
        any network and slow for large ones, as Lava moves each number by itself. ``fresh`` builds
        the network anew.
        """
        if self.reset == "fresh":
            for first in range(0, self.steps, self.every):
                self._episode(first, min(self.every, self.steps - first), None)
        else:
            self._episode(0, self.steps, self.every if self.reset == "clear" else None)

    def _episode(self, first: int, steps: int, clear_every: int | None) -> None:
        started = time.perf_counter()
        part = {name: data[first : first + steps] for name, data in self.inputs.items()}
        assembly = Assembly(self.network, part, self.sinks, first)
        process = assembly.any_process
        # Without a tag Lava silently takes the first model it finds, the floating-point one.
        process.create_runtime(run_cfg=Loihi2SimCfg(select_tag=self.network["tag"]))
        self.timing["assemble_s"] += time.perf_counter() - started
        try:
            with Guard(process.runtime, self.report):
                self._advance(assembly, first, steps, clear_every)
        finally:
            process.stop()

    def _advance(self, assembly: Assembly, first: int, steps: int, clear_every: int | None) -> None:
        """Run in chunks that end wherever something has to be read, cleared or told."""
        stops = {step - first for step in self.wanted if first < step <= first + steps}
        stops.update(range(_CHUNK_STEPS, steps, _CHUNK_STEPS))
        stops.add(steps)
        if clear_every:
            stops.update(range(clear_every, steps, clear_every))
        done = 0
        for stop in sorted(stops):
            started = time.perf_counter()
            assembly.any_process.run(condition=RunSteps(num_steps=stop - done))
            done = stop
            self.timing["run_s"] += time.perf_counter() - started
            for name, row in self.wanted.get(first + done, ()):
                self.voltages[name][row] = assembly.processes[name].v.get()
            if clear_every and done % clear_every == 0 and done < steps:
                self._clear(assembly)
            self.progress({"steps": first + done, "of": self.steps})

    def _clear(self, assembly: Assembly) -> None:
        started = time.perf_counter()
        for var, start in assembly.states():
            var.set(start)
        self.timing["clear_s"] += time.perf_counter() - started
