"""The ternary integer neuron: thresholds on either side, and what its spikes mean behind it."""

from itertools import pairwise
from typing import Any

import numpy as np

from neurorobust import ir
from neurorobust.data import Stimulus
from neurorobust.ir.ports import Readout
from neurorobust.testing import networks
from neurorobust.testing.outcome import check
from neurorobust.testing.trial import Trial

TERNARY = [[1, -1, 0, -1, 1, 0]]
"""Spikes that ``_sender`` sends when it is given them."""


def ternary(**fields: int) -> ir.FixedTernaryLIF:
    """Thresholds at ±5 and no memory unless given: fires at ±10 64."""
    given: dict[str, Any] = {"vth_high": 5, "vth_low": -5, "dv": 4096}
    return ir.FixedTernaryLIF(**given | fields)


def _sender() -> dict[str, ir.Node]:
    """One ternary neuron that passes on what it is given."""
    return {
        "input": networks.spike_input(1),
        "fc": ir.FixedDense(weight=np.array([[10]]), message_bits=8),
        "neuron": ternary(),
    }


@check("ternary neuron/fires strictly beyond either threshold", "quantised")
def strictly_beyond(trial: Trial) -> None:
    """``v = 64 vth`` fires on neither side; 64 more does, with its sign, and v starts from 0."""
    x = [1, 1, 0, -1, -1, 0]
    for node, spikes, membrane in (
        (
            ternary(vth_high=10, vth_low=-20, dv=0),
            [0, 1, 0, 0, 0, 0],
            [640, 1280, 0, -640, -1280, -1280],
        ),
        (
            ternary(vth_high=19, vth_low=-19, dv=0),
            [0, 1, 0, 0, -1, 0],
            [640, 1280, 0, -640, -1280, 0],
        ),
    ):
        model = networks.fixed_neurons(node, 6, message_bits=8)
        trial.expect(
            model,
            networks.stimulus(x),
            spikes={"neuron": networks.trains(spikes)},
            membrane={"neuron": networks.trains(membrane)},
            scores=np.array([[sum(spikes)]]),
        )


@check("ternary neuron/equal thresholds leave one silent value", "quantised")
def equal_thresholds(trial: Trial) -> None:
    """With ``vth_low = vth_high = 10`` only ``v = 640`` is silent; 0 fires -1."""
    trial.expect(
        networks.fixed_neurons(ternary(vth_high=10, vth_low=10), 4, message_bits=8),
        networks.stimulus([1, 0, 2, -1]),
        spikes={"neuron": networks.trains([0, -1, 1, -1])},
        membrane={"neuron": networks.trains([640, 0, 1280, -640])},
    )


@check("ternary neuron/the current is kept at both spikes", "quantised")
def keeps_current(trial: Trial) -> None:
    """A spike of either sign sets v to 0 and leaves u: at ``du = -1`` one input fires for ever."""
    trial.expect(
        networks.fixed_neurons(ternary(du=-1, dv=0), 3, weight=[10, -10], message_bits=8),
        networks.stimulus([1, 0, 0], [1, 0, 0]),
        spikes={"neuron": networks.trains([1, 1, 1], [-1, -1, -1])},
        membrane={"neuron": networks.trains([640] * 3, [-640] * 3)},
    )


@check("ternary neuron/-1 is a spike without messages, a payload with them", "quantised")
def meaning(trial: Trial) -> None:
    """A synapse without messages takes -1 as one spike; one with messages as -1."""
    sent = np.array(TERNARY[0])
    for bits, arrived in ((0, sent != 0), (8, sent)):
        model = networks.program(
            6,
            **_sender(),
            fc2=ir.FixedDense(weight=np.array([[4]]), message_bits=bits),
            probe=networks.fixed_li(dv=4096),
            output=ir.Output(readout="last"),
        )
        with trial.optional():
            trial.expect(
                model,
                networks.stimulus(*TERNARY),
                spikes={"neuron": networks.trains(sent)},
                membrane={"probe": networks.trains(256 * arrived)},
                scores=np.array([[0.0]]),
            )
            trial.expect(
                model, networks.stimulus(sent[:4]), scores=np.array([[256.0 * arrived[3]]])
            )


@check("ternary neuron/a convolution takes the sign", "quantised")
def convolution(trial: Trial) -> None:
    """Convolutions take payloads: -1 times the weight."""
    model = networks.program(
        1,
        input=ir.FixedInput(shape=(1, 1, 3), scale=1.0, low=-1, high=1),
        spread=ir.FixedConv2d(weight=np.array([[[[10]]]])),
        neuron=ternary(),
        conv=ir.FixedConv2d(weight=np.array([[[[3, 5]]]])),
        probe=networks.fixed_li(dv=4096),
        flat=ir.Flatten(),
        output=ir.Output(readout="last"),
    )
    x = np.array([1.0, -1.0, 0.0]).reshape(1, 1, 1, 1, 3)
    trial.expect(model, Stimulus(x, 1), scores=np.array([[64.0 * (3 - 5), 64.0 * -3]]))


READ: dict[Readout, int] = {"count": 0, "last": 0, "max": 1, "first": 5}
"""Scores of -1 in the second and 1 in the third of six steps."""


@check("ternary neuron/readouts", "quantised")
def readouts(trial: Trial) -> None:
    """Readouts take the signs; ``first`` takes the first spike of either."""
    for readout, score in READ.items():
        model = networks.program(6, **_sender(), output=ir.Output(readout=readout))
        with trial.optional():
            trial.expect(model, networks.stimulus([0, -1, 1, 0, 0, 0]), scores=np.array([[score]]))


@check("ternary neuron/opponents on a loop", "quantised")
def loop(trial: Trial) -> None:
    """A spike that returns with the opposite sign turns a neuron around every second step."""
    nodes: dict[str, ir.Node] = {
        **_sender(),
        "loop": ir.FixedDense(weight=np.array([[-10]]), message_bits=8),
        "output": ir.Output(),
    }
    chain = [ir.Edge(a, b) for a, b in pairwise(("input", "fc", "neuron", "output"))]
    base = networks.program(6, **_sender(), output=ir.Output())
    model = base.with_(
        nodes=nodes, edges=(*chain, ir.Edge("neuron", "loop"), ir.Edge("loop", "neuron", 2))
    )
    trial.expect(
        model,
        networks.stimulus([1, 0, 0, 0, 0, 0]),
        spikes={"neuron": networks.trains([1, 0, -1, 0, 1, 0])},
        scores=np.array([[1.0]]),
    )
