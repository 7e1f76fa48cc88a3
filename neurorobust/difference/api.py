"""Two sides, everything that differs between them, and why."""

from contextlib import ExitStack
from pathlib import Path

from neurorobust.backends import Executable
from neurorobust.data import Stimulus
from neurorobust.difference.compare import ULPS
from neurorobust.difference.examine import Stand
from neurorobust.difference.inputs import battery
from neurorobust.difference.loading import Reading
from neurorobust.difference.result import Difference
from neurorobust.difference.run import Run
from neurorobust.difference.side import Side, open_side
from neurorobust.ir import Array, Model
from neurorobust.progress import Silent, Stages


def diff(
    a: Model | str | Path | Executable | Side,
    b: Model | str | Path | Executable | Side,
    inputs: Array | Stimulus | None = None,
    *,
    samples: int = 32,
    steps: int | None = None,
    seed: int = 0,
    ulps: float = ULPS,
    reading: Reading | None = None,
    stages: Stages | None = None,
) -> Difference:
    """Where two networks part, by how much, and why.

    Args:
        a: A Graph or Program; a file; ``file@backend:rung``; an ``Executable``; or a ``Side``.
        b: Likewise.
        inputs: Real samples, as ``encode`` takes them or per step (B, T, ...).
        samples: Random samples, and as many that make ties; 0 for the given ones alone.
        steps: T; by default that of the inputs or of the model, at least 16.
        seed: Of the draws.
        ulps: Rounding steps that count as rounding, relative to the largest number of a layer.
        reading: What files may leave open.
        stages: Is told what happens.

    Raises:
        InvalidInput: for sides that have no input shape or no layer in common.
        InvalidFile: for a file that cannot be read.
        Unsupported: if a backend cannot run its side exactly.
    """
    reading, stages = reading or Reading(), stages or Silent()
    with ExitStack() as opened:
        sides = []
        with stages.stage("Load"):
            for given in (a, b):
                side = open_side(given, reading)
                sides.append(side)
                if side is not given and side.executable is not given:
                    opened.callback(side.executable.close)
        one, two = sides
        with stages.stage("Run both"):
            shown = battery(one, two, inputs, samples=samples, steps=steps, seed=seed)
            stand = Stand(one, two, ulps)
            run = Run(stand, shown, *stand.record(shown.stimulus))
            run.hold()
        with stages.stage("Shrink the input"):
            small = run.reproducer()
        with stages.stage("Seek the cause"):
            return run.result(small)
