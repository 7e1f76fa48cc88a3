"""Two sides, everything that differs between them, and why."""

from neurorobust.compare.contrasts import ULPS
from neurorobust.compare.examine import Stand
from neurorobust.compare.inputs import battery
from neurorobust.compare.result import Difference
from neurorobust.compare.run import Run
from neurorobust.compare.side import Side
from neurorobust.data import Stimulus
from neurorobust.ir import Array
from neurorobust.progress import Silent, Stages


def diff(
    a: Side,
    b: Side,
    inputs: Array | Stimulus | None = None,
    *,
    samples: int = 32,
    steps: int | None = None,
    seed: int = 0,
    ulps: float = ULPS,
    stages: Stages = Silent(),  # noqa: B008  # it holds nothing
) -> Difference:
    """Where two networks part, by how much, and why.

    Args:
        a: What runs.
        b: Likewise.
        inputs: Real samples, as ``encode`` takes them or per step (B, T, ...).
        samples: Random samples, and as many that make ties; 0 for the given ones alone.
        steps: T; by default that of the inputs or of the model, at least 16.
        seed: Of the draws.
        ulps: Rounding steps that count as rounding, relative to the largest number of a layer.
        stages: Is told what happens.

    Raises:
        InvalidInput: for sides that have no input shape or no layer in common.
        Unsupported: if a backend cannot run its side exactly.
    """
    with stages.stage("Run both"):
        shown = battery(a, b, inputs, samples=samples, steps=steps, seed=seed)
        stand = Stand(a, b, ulps)
        run = Run(stand, shown, *stand.record(shown.stimulus))
        run.hold()
    with stages.stage("Shrink the input"):
        small = run.reproducer()
    with stages.stage("Seek the cause"):
        return run.result(small)
