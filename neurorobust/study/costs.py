"""What cells may cost, before they have run: passes through the network, by what one pass takes."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np

from neurorobust.attacks.request import Crafter
from neurorobust.data import Samples, encode
from neurorobust.ir import Model
from neurorobust.study.cells import Cell
from neurorobust.study.store import Ended

PROBED = 64
"""Samples of the pass that is timed."""
BACKWARD = 2.5
"""Of a backward pass, in forward passes."""
FACTORS: Mapping[str, float] = {
    "torch": 2.0,
    "reference": 4.0,
    "snntorch": 2.0,
    "norse": 2.5,
    "onnx": 1.5,
    "lava": 60.0,
}
"""Forward passes in double precision, in passes of the torch engine in single precision."""
LEAST_S = 0.02


class Costs:
    """Of the cells of one model, in seconds of one core of this machine.

    Args:
        model: The network; one pass of it is timed when the first estimate is asked for.
        samples: What it is shown.
    """

    def __init__(self, model: Model, samples: Samples) -> None:
        self._model, self._samples = model, samples

    @cached_property
    def forward_s(self) -> float:
        """One sample, forward, in single precision."""
        from neurorobust.backends import compiled
        from neurorobust.engine.threads import one_thread

        part = self._samples[:PROBED].shown_to(self._model)
        stimulus = encode(self._model, part.values, rng=np.random.default_rng(0))
        with one_thread(), compiled(self._model, precision="single") as executable:
            executable.run(stimulus[:1])
            # Of the processor, not of the clock: the machine may be at work on something else.
            start = time.process_time()
            executable.run(stimulus)
            return (time.process_time() - start) / max(1, len(stimulus))

    def fit(self, count: int) -> float:
        """A check with the activity of some samples."""
        return 0.05 + 4 * count * self.forward_s

    def lower(self, scaling: str) -> float:
        """A lowering."""
        return {"spikes": 20.0, "mse": 2.0}.get(scaling, 0.03)

    def craft(self, crafter: Crafter, count: int, rung: str) -> float:
        """An attack; of its steps and queries those that it says."""
        steps = getattr(crafter, "steps", 1) * getattr(crafter, "restarts", 1)
        steps *= getattr(crafter, "walkers", 1)
        gradients = steps * max(1, len(getattr(crafter, "estimators", (1,))))
        queries = getattr(crafter, "queries", 0)
        if not any(hasattr(crafter, name) for name in ("gradient", "estimators", "walkers")):
            gradients = 0
        passes = 2 + gradients * (1 + BACKWARD) + queries
        slower = 4.0 if rung == "quantised" else 1.0
        return LEAST_S + count * passes * self.forward_s * slower

    def replay(self, backend: str, rung: str, count: int) -> float:
        """A set on a lane."""
        slower = 2.0 if rung == "quantised" else 1.0
        return LEAST_S + count * self.forward_s * FACTORS.get(backend, 4.0) * slower

    def audit(self, count: int) -> float:
        """An audit."""
        return 1.0 + count * self.forward_s * 2500


def learned(cells: Iterable[Cell], ended: Mapping[str, Ended]) -> float:
    """Seconds of the cells that have not run; the mean of like cells that have is better known.

    Args:
        cells: Of a study.
        ended: Those that have run.
    """
    by_group: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for cell in cells:
        if (done := ended.get(cell.key)) is not None and cell.estimate_s:
            share = float(done.cost.get("cpu_s", 0.0)) / cell.estimate_s
            for at in ((cell.kind, cell.group), (cell.kind,)):
                by_group[at].append(share)

    def factor(cell: Cell) -> float:
        own = by_group.get((cell.kind, cell.group)) or by_group.get((cell.kind,))
        return sum(own) / len(own) if own else 1.0

    return sum(cell.estimate_s * factor(cell) for cell in cells if cell.key not in ended)
