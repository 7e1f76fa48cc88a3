"""Readouts against sums worked out by hand."""

from typing import Any

import numpy as np

from neurorobust.ir import LI, Model, Output
from neurorobust.ir.ports import Readout
from neurorobust.testing import networks
from neurorobust.testing.outcome import check
from neurorobust.testing.trial import Trial

X = ([0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 0, 0])
"""What the three classes emit in four steps."""
OF_SPIKES: dict[Readout, tuple[float, ...]] = {
    "count": (2, 2, 0),
    "mean": (0.5, 0.5, 0),
    "last": (0, 1, 0),
    "max": (1, 1, 0),
    "first": (3, 4, 0),
}
Y = ([1, -2, 3, -1], [-1, -1, -2, -3], [0, 0, 0, 4])
OF_MEMBRANES: dict[Readout, tuple[float, ...]] = {
    "count": (1, -7, 4),
    "mean": (0.25, -1.75, 1),
    "last": (-1, -3, 4),
    "max": (3, -1, 4),
}


def _spiking(trial: Trial, readout: Readout) -> Model:
    if trial.rung == "float":
        return networks.neurons(networks.lif(beta=0.0, threshold=0.5), 4, n=3, readout=readout)
    neuron = networks.fixed_lif(dv=4096, vth=5)
    return networks.fixed_neurons(neuron, 4, weight=[10, 10, 10], readout=readout)


def _graded(trial: Trial, readout: Readout) -> tuple[Model, float]:
    """Neurons that emit their input times a unit."""
    if trial.rung == "float":
        return networks.neurons(LI(beta=np.zeros(())), 4, n=3, readout=readout), 1.0
    neuron, weights = networks.fixed_li(dv=4096), [1, 1, 1]
    model = networks.fixed_neurons(
        neuron, 4, weight=weights, sign_mode="exc", message_bits=8, readout=readout
    )
    return model.with_(score_unit=0.125), 64 * 0.125


def _register(readout: Readout) -> None:
    def law(trial: Trial) -> None:
        if readout in OF_SPIKES:
            with trial.optional():
                scores: Any = np.array([OF_SPIKES[readout]])
                trial.expect(_spiking(trial, readout), networks.stimulus(*X), scores=scores)
        if readout in OF_MEMBRANES:
            model, unit = _graded(trial, readout)
            scores = unit * np.array([OF_MEMBRANES[readout]])
            with trial.optional():
                trial.expect(model, networks.stimulus(*Y), scores=scores)

    law.__doc__ = f"Readout ``{readout}`` of spikes and of membranes, worked out by hand."
    check(f"readout/{readout}", "float", "quantised")(law)


for _readout in OF_SPIKES:
    _register(_readout)


@check("readout/the first of equal scores decides", "float", "quantised")
def ties(trial: Trial) -> None:
    """``decisions`` takes the first largest score."""
    model = _spiking(trial, "count")
    assert isinstance(model.nodes[model.output], Output)
    result = trial.run(model, networks.stimulus(*X))
    assert result.decisions.tolist() == [0], f"decided for {result.decisions}, expected class 0"
