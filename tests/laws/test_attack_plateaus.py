"""Counted spikes are quantised: attacks have to leave plateaus and ties of the scores."""

import numpy as np
import pytest
import torch

from neurorobust.attacks import Apgd, Events, Linf, SaPgd, Spsa, Square, Target, Targeted
from neurorobust.attacks.events.sda import SparseDynamicAttack
from neurorobust.attacks.losses import LOSSES
from neurorobust.engine.estimators import Assg, Stbp
from neurorobust.engine.network import Network
from neurorobust.ir import LI, LIF, Affine, Header
from tests.support.attack_cases import HEADER, linear
from tests.support.networks import stack

STEPS = 6


def counted(seed, inputs, coding="direct"):
    """Two layers of spiking neurons, read out by counting."""
    draw = np.random.default_rng(seed)
    weight = draw.normal(size=(32, inputs)) / 2
    bias = 0.8 - weight.sum(1) / 2 if coding == "direct" else np.full(32, 0.3)
    levels = 256 if coding == "direct" else None
    return stack(
        (inputs,),
        Header(dt_s=1e-3, steps=STEPS, levels=levels, coding=coding),
        a=Affine(weight=weight, bias=bias),
        lif=LIF(beta=0.8, threshold=1.0),
        b=Affine(weight=draw.normal(size=(4, 32)) / 2, bias=np.full(4, 0.3)),
        top=LIF(beta=0.9, threshold=1.0),
    )


def images(seed, count=24):
    network = Network(counted(seed, 36))
    x = np.random.default_rng(9).integers(0, 256, (count, 36)) / 255
    return network, x, Target(network, None).decide(torch.tensor(x)).numpy()


def fooled(attack, seeds=(0, 1)):
    """Samples that an attack fools, over networks."""
    total = 0
    for seed in seeds:
        network, x, y = images(seed)
        made = attack(network, x, y, Linf.of(network.graph.header, 16 / 255))
        total += int((made.adversarial_decision != y).sum())
    return total


class TestDlr:
    """``-(z_y - max z_j) / (z_(1) - z_(3))`` is -1 whatever ``z_y`` is, if all others are equal."""

    SCORES = ((3.0, 0.0, 0.0, 0.0), (5.0, 2.0, 2.0, 1.0), (4.0, 1.0, 1.0, 1.0))

    @pytest.mark.parametrize("wanted", [None, 2])
    @pytest.mark.parametrize("values", SCORES)
    def test_the_label_has_a_gradient(self, values, wanted):
        scores = torch.tensor([values], dtype=torch.float64, requires_grad=True)
        ends = None if wanted is None else torch.tensor([wanted])
        LOSSES["dlr"](scores, torch.tensor([0]), ends).sum().backward()
        assert scores.grad[0, 0] < 0

    def test_the_value_stays(self):
        scores = torch.tensor(self.SCORES)
        assert torch.equal(LOSSES["dlr"](scores, torch.tensor([0, 0, 0]), None), -torch.ones(3))

    def test_it_finds_what_the_margin_finds(self):
        dlr, margin = (fooled(Apgd(Stbp(), 20, loss)) for loss in ("dlr", "margin"))
        assert margin > 24
        assert dlr >= 0.95 * margin
        aimed = fooled(Targeted(Apgd(Stbp(), 10, "dlr"), "all"))
        assert aimed >= 0.9 * margin


def test_square_drifts_over_plateaus():
    """A network whose score is a step function of the mean: no single square reaches the step."""
    graph = stack(
        (64,),
        1,
        a=Affine(weight=np.full((1, 64), 1 / 64)),
        lif=LIF(beta=0.0, threshold=0.553),
        b=Affine(weight=np.array([[0.0], [2.0]]), bias=np.array([1.0, 0.0])),
        top=LI(beta=0.0),
    )
    x, y = np.full((12, 64), 0.5), np.zeros(12, int)
    made = Square(queries=400)(Network(graph), x, y, Linf(epsilon=0.1))
    assert (made.adversarial_decision == 1).mean() > 0.5
    assert fooled(Square(queries=400)) >= fooled(Apgd(Stbp(), 20)) - 4


@pytest.mark.parametrize("relative_delta", [0.1, 0.5])
def test_spsa_moves_every_value_by_the_one_step_there_is(relative_delta):
    """Half a step rounds back to even grey values: they would never move."""
    draw = np.random.default_rng(3)
    weight = np.sign(draw.normal(size=(2, 16))) * (1 + draw.random((2, 16)))
    x = np.full((4, 16), 128 / 255)
    y = np.zeros(4, int)
    attack = Spsa(steps=8, pairs=256, relative_delta=relative_delta)
    made = attack(linear(weight, HEADER), x, y, Linf.of(HEADER, 1 / 255))
    moved = np.rint((made.adversarial - x) * 255)
    wanted = np.sign(weight[1] - weight[0])
    clear = np.abs(weight[1] - weight[0]) > 0.5
    assert (moved[:, clear] == wanted[clear]).mean() > 0.95


class TestSda:
    def found(self, budget, rounds=20):
        broken = 0
        for seed in range(3):
            graph = counted(seed, 40, "events")
            network = Network(graph)
            x = (np.random.default_rng(5).random((8, STEPS, 40)) < 0.3).astype(float)
            y = Target(network, None).decide(torch.tensor(x)).numpy()
            made = SparseDynamicAttack(Stbp(), rounds=rounds)(
                network, x, y, Events.of(graph.header, budget)
            )
            broken += int((made.adversarial_decision != y).sum())
        return broken

    def test_nobody_withstands_many_flips(self):
        assert self.found(240) == 24

    @pytest.mark.parametrize("limits", [{}, {"insert": 4}, {"insert": 4, "remove": 0}])
    def test_a_tight_budget_is_spent_on_the_largest_effects(self, limits):
        """Every flip raises the loss; the four best suffice, and lie last in the frames."""
        weight = np.stack([np.zeros(12), np.arange(1.0, 13)])
        header = Header(dt_s=1e-3, steps=1, coding="events")
        network = linear(weight, header, np.array([9 + 10 + 11 + 12 - 0.5, 0.0]))
        threat = Events(epsilon=12 if limits else 4, **limits)
        made = SparseDynamicAttack(Stbp())(network, np.zeros((1, 1, 12)), np.zeros(1, int), threat)
        assert made.adversarial_decision == [1]
        assert np.flatnonzero(made.adversarial).tolist() == [8, 9, 10, 11]


def test_every_class_is_aimed_at_from_fresh_averages():
    class Counting(Assg):
        resets = 0

        def reset(self):
            self.resets += 1
            super().reset()

    network, x, y = images(0, count=2)
    estimator = Counting()
    made = Targeted(SaPgd(estimator, 2), "all")(network, x, y, Linf(epsilon=0.0))
    assert (made.adversarial_decision == y).all()
    assert estimator.resets == 1 + 3  # the check of the forward pass, and three classes
