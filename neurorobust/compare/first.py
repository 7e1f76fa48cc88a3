"""The first divergence, with the membranes of both sides."""

import numpy as np

from neurorobust.compare.contrasts import Comparison, Contrast
from neurorobust.compare.inputs import Battery
from neurorobust.compare.recording import Recording
from neurorobust.compare.result import Divergence
from neurorobust.ir import Array


def divergence(
    found: Comparison, shown: Battery, first: Recording, second: Recording
) -> Divergence | None:
    """In the earliest layer of the data's way, there the earliest step, beyond rounding if any is.

    Where no output differs it is the first membrane that parts beyond the tolerance.
    """
    step, place = found.first.T
    spread = np.flatnonzero(step < found.steps)
    beyond = [s for s in spread if found.systematic[s]] or list(spread)
    if beyond:
        sample = min(beyond, key=lambda s: (place[s], step[s], s))
        at, t = found.contrasts[place[sample]], int(step[sample])
        differs = at.differs[sample, t]
        if at.excused is not None and found.systematic[sample]:
            differs = differs & ~at.excused[sample, t]
        neuron = int(differs.argmax())
    else:
        strayed = [p for p, stray in enumerate(found.strays) if stray.any()]
        if not strayed:
            return None
        at = found.contrasts[strayed[0]]
        parted = np.argwhere(found.strays[strayed[0]])
        sample, t, neuron = min(map(tuple, parted), key=lambda row: (row[1], row[0]))
    where = int(sample), int(t), int(neuron)
    excused = bool(beyond) and not found.systematic[sample]
    return _described(at, where, shown, (first, second), excused=excused)


def _described(
    at: Contrast,
    where: tuple[int, int, int],
    shown: Battery,
    recordings: tuple[Recording, Recording],
    *,
    excused: bool,
) -> Divergence:
    sample, t, neuron = where
    pair, levels = at.pair, at.levels
    names = pair.a.name, pair.b.name
    outputs = [r.outputs[n] for r, n in zip(recordings, names, strict=True)]
    traces = levels.a, levels.b
    distances = levels.distances()
    recorded = [n in r.membrane for r, n in zip(recordings, names, strict=True)]

    def value(values: Array | None) -> float | None:
        return None if values is None else float(values[sample, t, neuron])

    def trace(values: Array | None) -> Array | None:
        return None if values is None else values[sample, :, neuron]

    def threshold(values: Array | None) -> float | None:
        return None if values is None or not pair.a.spiking else float(values[neuron])

    flat = [values.reshape(*values.shape[:2], -1) for values in outputs]
    return Divergence(
        layer=pair.name,
        sample=sample,
        kind=shown.kinds[sample],
        step=t,
        neuron=tuple(int(i) for i in np.unravel_index(neuron, pair.a.shape)),
        outputs=(float(flat[0][where]), float(flat[1][where])),
        membrane=(value(traces[0]), value(traces[1])),
        threshold=(threshold(levels.threshold_a), threshold(levels.threshold_b)),
        distance=(value(distances[0]), value(distances[1])),
        by_law=(
            pair.a.spiking and not recorded[0] and traces[0] is not None,
            pair.a.spiking and not recorded[1] and traces[1] is not None,
        ),
        traces=(trace(traces[0]), trace(traces[1])),
        excused=excused,
    )
