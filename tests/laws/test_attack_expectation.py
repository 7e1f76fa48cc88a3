"""Attacks on a model that draws its input."""

import numpy as np
import pytest
import torch

from neurorobust.attacks import (
    L2,
    Apgd,
    CarliniWagner,
    Draws,
    Linf,
    Pgd,
    Square,
    Target,
    Targeted,
    UniformNoise,
)
from neurorobust.attacks.case import Case
from neurorobust.engine.estimators import Stbp, TimeExtended
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput
from neurorobust.ir import Header
from tests.support.attack_cases import linear, same
from tests.support.audit_cases import dense, samples


class TestStochastic:
    """Bernoulli coding: the gradient of the expectation, decisions by majority."""

    HEADER = Header(dt_s=1e-3, steps=8, coding="bernoulli", bounds=(-1.0, 1.0))
    WEIGHT = np.random.default_rng(0).normal(size=(3, 6))

    @pytest.fixture
    def network(self):
        return linear(self.WEIGHT, self.HEADER, beta=1.0, gain_in=1 / 8)

    def test_straight_through_is_exact_for_a_linear_model(self, network):
        """The margin of the mean spike rate: its slope is the weights', halved by the range 2."""
        x = torch.tensor(np.random.default_rng(1).uniform(-1, 1, (4, 6)))
        y, wanted = torch.tensor([0, 1, 2, 0]), torch.tensor([1, 2, 0, 2])
        gap = lambda z, y, t: (z.gather(1, t[:, None]) - z.gather(1, y[:, None]))[:, 0]  # noqa: E731
        draws = Draws(0, np.arange(4))
        _, found = Target(network, Stbp(), eot=3).ascent(x, y, wanted, loss=gap, draws=draws)
        expected = (self.WEIGHT[wanted] - self.WEIGHT[y]) / 2
        assert np.allclose(found.numpy(), expected, rtol=1e-12, atol=1e-14)

    def test_decisions_are_the_majority_of_the_votes(self, network):
        x = torch.tensor(np.random.default_rng(2).uniform(-1, 1, (50, 6)))
        once, twenty = (Target(network, None, votes=v) for v in (1, 51))
        sure = [twenty.decide(x, Draws(s, np.arange(50))) for s in range(2)]
        wild = [once.decide(x, Draws(s, np.arange(50))) for s in range(2)]
        assert (sure[0] != sure[1]).sum() < (wild[0] != wild[1]).sum()

    def test_a_lucky_vote_does_not_displace_a_sure_success(self, network):
        """Of two iterates that fool, the one whose mean scores are further over is returned."""
        x = np.random.default_rng(2).uniform(-1, 1, (2000, 6))
        scores = x @ self.WEIGHT.T
        x = x[np.ptp(scores, axis=1) > 4][:40]
        y = (x @ self.WEIGHT.T).argmin(1)  # wrong by far
        edge = x * 0.02  # scores nearly tied: half of the votes are luck
        target = Target(network, None, votes=3)
        case = Case(
            target, torch.tensor(x), torch.tensor(y), Linf.of(self.HEADER, 2.0),
            draws=Draws(0, np.arange(len(x))),
        )  # fmt: skip
        for at in (x, edge, -edge):
            _, fooled = case.see(torch.tensor(at))
            assert fooled.float().mean() > 0.4
        assert (np.abs(case.best.numpy() - x).max(1) == 0).mean() > 0.9

    def test_the_closest_success_of_carlini_and_wagner_is_no_lucky_one(self, network):
        """Of hundreds of iterates beside the boundary some are voted over it by chance."""
        x = np.random.default_rng(4).uniform(-0.5, 0.5, (12, 6))
        y = network.run(torch.tensor(x)[:, None], 8).argmax(1).numpy()
        attack = CarliniWagner(Stbp(), 40, search=6, c=10.0)
        made = attack(network, x, y, L2(epsilon=1.5, bounds=(-1.0, 1.0)))
        fresh = Target(network, None, votes=200)
        decided = fresh.decide(torch.tensor(made.adversarial), Draws(7, np.arange(12))).numpy()
        assert made.fooled.any(1).mean() > 0.9
        assert (decided != y).mean() > 0.9

    def test_a_lucky_vote_ends_no_search(self):
        """Square, restarts and further classes go on, to where the margin is larger."""
        header = Header(dt_s=1e-3, steps=8, coding="bernoulli", levels=256)
        graph = dense(0, header)
        network, (x, y) = Network(graph), samples(graph, 24)
        ball = Linf.of(header, 16 / 255)
        made = Square(300)(network, x, y, ball)
        fresh = Target(network, None, votes=100)
        decided = fresh.decide(torch.tensor(made.adversarial), Draws(7, np.arange(24))).numpy()
        assert (decided != y).mean() > 0.35
        again = Apgd(Stbp(), 2, restarts=2)(network, x[:6], y[:6], ball)
        assert again.fooled.any()
        assert (again.iterates == 2 * 2 + 1).all()
        every = Targeted(Apgd(Stbp(), 2), "all")(network, x[:6], y[:6], ball)
        assert (every.iterates == 3 * 2 + 1).all()

    def test_more_time_draws_more_steps(self, network):
        """Drawn for 3 T steps, and for a linear model the gradient of so many equal steps."""
        x = torch.tensor(np.random.default_rng(1).uniform(-1, 1, (4, 6)))
        y, draws = torch.tensor([0, 1, 2, 0]), Draws(0, np.arange(4))
        extended = Target(network, TimeExtended(Stbp(), 3), eot=2)
        assert extended.present(x, draws, crafting=True).shape == (4, 24, 6)
        assert extended.present(x, draws).shape == (4, 8, 6)
        own = lambda z, y, t: z.gather(1, y[:, None])[:, 0]  # noqa: E731
        _, found = extended.ascent(x, y, loss=own, draws=draws)
        assert np.allclose(found.numpy(), 3 * self.WEIGHT[y] / 2, rtol=1e-12, atol=1e-14)
        made = Pgd(TimeExtended(Stbp(), 3), steps=2)(
            network, x.numpy(), y.numpy(), Linf.of(self.HEADER, 0.3), eot=2, votes=3
        )
        assert (made.gradients == 4).all()

    def test_determinism_and_work(self, network):
        x = np.random.default_rng(3).uniform(-1, 1, (12, 6))
        y, threat = np.zeros(12, int), Linf.of(self.HEADER, 0.4)
        attack = Pgd(Stbp(), steps=3)
        whole = attack(network, x, y, threat, seed=1, eot=4, votes=5)
        part = attack(
            network, x[5:9], y[5:9], threat, seed=1, sample=np.arange(5, 9), eot=4, votes=5
        )
        same(whole, part, slice(5, 9))
        assert (whole.gradients == 12).all()
        assert (whole.queries == 3 * (4 + 5) + 10).all()
        with pytest.raises(InvalidInput, match="at least one draw"):
            attack(network, x, y, threat, eot=0)

    def test_an_expectation_finds_more_than_noise(self, network):
        x = np.random.default_rng(4).uniform(-0.5, 0.5, (40, 6))
        y = (x @ self.WEIGHT.T).argmax(1)
        threat = Linf.of(self.HEADER, 0.3)
        pgd, noise = (
            a(network, x, y, threat, votes=21).adversarial_decision != y
            for a in (Pgd(Stbp(), steps=4), UniformNoise())
        )
        assert pgd.sum() > noise.sum() + 5
