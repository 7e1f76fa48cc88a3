"""The verbs that take what people name: files, names of chips and backends, models."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from neurorobust.backends import Executable
from neurorobust.compare import Difference, Side
from neurorobust.compare.diff import diff as compare
from neurorobust.data import Stimulus
from neurorobust.formats.load import Reading
from neurorobust.formats.sides import open_side
from neurorobust.ir import Array, Model
from neurorobust.progress import Silent, Stages


def diff(
    a: Model | str | Path | Executable | Side,
    b: Model | str | Path | Executable | Side,
    inputs: Array | Stimulus | None = None,
    *,
    reading: Reading | None = None,
    profile: str = "loihi2",
    stages: Stages = Silent(),  # noqa: B008  # it holds nothing
    **options: Any,
) -> Difference:
    """Where two networks part, by how much, and why.

    Args:
        a: A Graph or Program; a file; ``file@backend:rung``; an ``Executable``; or a ``Side``.
        b: Likewise.
        inputs: Real samples, as ``encode`` takes them or per step (B, T, ...).
        reading: What files may leave open.
        profile: Target that a Graph is lowered to for the rung ``quantised``.
        stages: Is told what happens.
        options: Of ``neurorobust.compare.diff.diff``.

    Raises:
        InvalidInput: for sides that have no input shape or no layer in common.
        InvalidFile: for a file that cannot be read.
        Unsupported: if a backend cannot run its side exactly.
    """
    with ExitStack() as opened:
        sides = []
        with stages.stage("Load"):
            for given in (a, b):
                side = open_side(given, reading or Reading(), profile)
                sides.append(side)
                if side is not given and side.executable is not given:
                    opened.callback(side.executable.close)
        one, two = sides
        return compare(one, two, inputs, stages=stages, **options)
