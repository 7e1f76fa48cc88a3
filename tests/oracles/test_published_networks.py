"""Networks from ``.net`` files whose output, spikes and states others have published."""

from dataclasses import replace

import numpy as np
import pytest

from neurorobust.formats.load import Reading, load
from neurorobust.formats.netx import netx_latency
from neurorobust.ir import Flatten
from tests.oracles.engines import ENGINES, chain, current_of, differing, run

pytestmark = pytest.mark.lava

PILOTNET = ("input", "conv-0", "conv-1", "conv-2", "conv-3", "conv-4", "fc-0", "fc-1", "fc-2")
REFRACTORY = 128
"""What the published membranes of pilotnet read where a neuron fired."""


def image_of(program, biased):
    """The image under which the first population gets these biases, given as (W, H, C)."""
    name = next(iter(netx_latency(program)))
    offset = program.nodes[name].bias_mant
    scale = program.nodes[program.input].scale
    return (biased.transpose(2, 1, 0) - offset) / scale


def steps_first(values):
    """(W, H, C, T) or (N, T) → (T, C, H, W) or (T, N)."""
    return values.transpose()


@pytest.mark.parametrize("engine", ENGINES)
def test_tinynet(published, engine):
    """From an image to the output of a third population, two steps late."""
    program = load(published / "tiny.net", Reading(steps=15, reset_interval=17))
    image = image_of(program, np.load(published / "gts/tinynet/input_bias.npy"))
    spikes, _ = run(engine, program, image[None], 15)
    first, _, last = netx_latency(program)
    for name, file in ((first, "input"), (last, "output")):
        truth = np.moveaxis(np.load(published / f"gts/tinynet/{file}.npy")[0], -1, 0)
        assert truth.sum() > 50
        assert differing(spikes[name], truth[1:]) == 0


def test_ntidigits(published):
    """Spoken digits with axonal delays up to 62 steps: 726,000 outputs with 22,572 spikes."""
    folder = published / "gts/ntidigits"
    spikes, truth = np.load(folder / "input.npy"), np.load(folder / "output.npy")
    # The sixth layer averages, which netx does not know either.
    program = load(folder / "ntidigits.net", Reading(steps=3000, num_layers=5))
    fired, _ = run("torch", program, spikes.T)
    *_, (last, latency) = netx_latency(program).items()
    late = latency + 1  # the recording of the published output began a step later
    assert truth.size == 726_000
    assert truth.sum() == 22_572
    assert not truth[:, :late].any()
    assert differing(fired[last][:-late], truth.T[late:]) == 0


@pytest.fixture(scope="module")
def pilotnet(published):
    """The network, cleared every 17 steps, and the published spikes of its populations."""
    folder = published / "gts/pilotnet_lif"
    program = load(folder / "network.net", Reading(steps=24, reset_interval=17))
    truths = {
        name: steps_first(np.load(folder / f"{file}.npy"))
        for name, file in zip(netx_latency(program), PILOTNET, strict=False)
    }
    return folder, program, truths


def test_pilotnet_from_the_image_to_the_steering(pilotnet):
    """A driving network: nine populations, each from the step in which the image reaches it."""
    folder, program, truths = pilotnet
    image = image_of(program, np.load(folder / "image.npy"))
    spikes, membrane = run("torch", program, image[None], 24)
    compared = 0
    for name, truth in truths.items():
        late = netx_latency(program)[name]
        assert truth.any()
        assert differing(spikes[name][: 24 - late], truth[late:]) == 0, name
        compared += truth[late:].size
    assert compared == 3_614_690
    assert set(netx_latency(program)) - set(truths) == {"lif10"}, "its readout never fires"
    assert membrane["lif10"].any()


@pytest.mark.parametrize("number", range(len(PILOTNET) - 1))
def test_pilotnet_layer_by_layer(pilotnet, number):
    """Spikes, currents and membranes of all 24 steps, from the published spikes before."""
    folder, program, truths = pilotnet
    before, name = list(truths)[number : number + 2]
    late = netx_latency(program)[name]
    (edge,) = program.incoming(name)
    (feeding,) = program.incoming(edge.source)
    nodes = {"synapse": program.nodes[edge.source]}
    if isinstance(program.nodes[feeding.source], Flatten):
        nodes = {"flat": Flatten(), **nodes}
    lif = replace(program.nodes[name], reset_offset=late)
    shape = program.shapes[before]
    # What was sent in the step before arrives; nothing does in the first one.
    arriving = np.zeros_like(truths[before], np.float64)
    arriving[1:] = truths[before][:-1]
    spikes, membrane = run("torch", chain(24, shape, {**nodes, "lif": lif}), arriving)
    _, current = run("torch", chain(24, shape, {**nodes, "lif": current_of(lif)}), arriving)
    fired = spikes["lif"]
    assert differing(fired, truths[name]) == 0
    u, v = (steps_first(np.load(folder / f"{PILOTNET[number + 1]}-{s}.npy")) for s in "uv")
    assert differing(current["lif"], u) == 0
    assert differing(np.where(fired, REFRACTORY, membrane["lif"]), v) == 0
