"""Spike shuffle: counts stay, order goes; a rate code does not notice, a code in time does."""

import numpy as np
import pytest
import torch

from neurorobust.data import load
from neurorobust.engine.network import EXACT, Network
from neurorobust.errors import InvalidInput, Unsupported
from neurorobust.ir import LI, LIF, Affine, Header
from neurorobust.metrics.shuffle import Shuffled, spike_shuffle
from neurorobust.zoo import digits
from tests.support.networks import stack, wired

STEPS = 12


def test_every_neuron_keeps_its_count():
    graph = stack((30,), STEPS, lif=LIF(beta=0.8, threshold=1.0))
    network, law = Network(graph), Shuffled(torch.Generator().manual_seed(0))
    x = torch.rand(STEPS, 20, 30, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    neuron = network.neurons["lif"]
    plain, _ = EXACT.sequence("lif", neuron, x, STEPS, membrane=False)
    mixed, h = law.sequence("lif", neuron, x, STEPS, membrane=True)
    assert torch.equal(plain.sum(0), mixed.sum(0))
    assert set(mixed.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(h, EXACT.sequence("lif", neuron, x, STEPS, membrane=True)[1])
    moved = (plain != mixed).any(0) & (plain.sum(0) > 0) & (plain.sum(0) < STEPS)
    assert moved.float().mean() > 0.5, "the order of most trains changes"
    first = mixed[:, :, 0]
    assert not torch.equal(first, mixed[:, :, 1]), "neurons are shuffled on their own"
    # Where a train has k spikes, each step holds one with probability k / T.
    many = [law.sequence("lif", neuron, x, STEPS, membrane=False)[0] for _ in range(400)]
    share = torch.stack(many).mean(0)
    expected = (plain.sum(0) / STEPS).expand_as(share)
    assert (share - expected).abs().max() < 5 * 0.5 / 20


def test_a_code_in_time_is_destroyed_and_a_count_is_not():
    """Class 0 fires early, class 1 late, equally often: only a leaky readout tells them apart."""
    x = np.zeros((40, STEPS, 1))
    y = np.arange(40) % 2
    x[y == 0, :3], x[y == 1, -3:] = 1, 1
    header = Header(dt_s=1e-3, steps=STEPS, coding="events")
    lif = LIF(beta=0.0, threshold=0.5)
    fc = Affine(weight=np.array([[0.0], [3.0]]), bias=np.array([1.0, 0.0]))
    timed, counted = (
        spike_shuffle(Network(stack((1,), header, lif=lif, fc=fc, li=LI(beta=beta))), x, y)
        for beta in (0.5, 1.0)
    )
    assert timed.clean.rate == 1
    assert timed.lost > 0.2
    assert counted.lost == 0


def test_a_trained_network_of_rates_hardly_notices():
    """The digits model loses less than 2 points, as the networks of the paper do."""
    training, test = (load("digits", part) for part in ("train", "test"))
    network = Network(digits.train(training, seed=0))
    found = spike_shuffle(network, test.values, test.labels, seed=1)
    assert found.clean.rate > 0.95
    assert abs(found.lost) < 0.02
    assert found == spike_shuffle(network, test.values, test.labels, seed=1)


def test_refused():
    network = Network(
        wired(
            ["input lif output", "lif>1 back lif"],
            4,
            input=(3,),
            lif=LIF(beta=0.5, threshold=1.0),
            back=Affine(weight=np.eye(3)),
        )
    )
    with pytest.raises(Unsupported, match="with loops spikes cannot be shuffled"):
        spike_shuffle(network, np.zeros((2, 3)), np.zeros(2, int))
    with pytest.raises(InvalidInput, match="at least one of each"):
        spike_shuffle(network, np.zeros((2, 3)), np.zeros(1, int))
