"""Attacks on event frames: legal to the last event, deterministic, and better than chance."""

import numpy as np
import pytest
import torch

from neurorobust.attacks import (
    AttackSet,
    Events,
    Linf,
    Pgd,
    Request,
    Retiming,
    Target,
    UniformNoise,
    craft,
)
from neurorobust.attacks import base as attacks_base
from neurorobust.attacks.events.dvs import CornerAttack, DashAttack, FrameAttack
from neurorobust.attacks.events.flips import EventFlips
from neurorobust.attacks.events.retimed import SpikeRetiming
from neurorobust.attacks.events.sda import SparseDynamicAttack
from neurorobust.attacks.events.spikefool import SpikeFool, solve
from neurorobust.engine.estimators import Assg, Stbp
from neurorobust.engine.network import Network
from neurorobust.errors import InvalidInput
from neurorobust.ir import LI, LIF, Affine, Flatten, Header
from tests.support.attack_cases import linear
from tests.support.networks import stack

STEPS, SHAPE = 8, (2, 5, 6)


def graph(high=1, seed=0):
    draw = np.random.default_rng(seed)
    weight = draw.normal(size=(24, 60)) / (1 + high) * 1.5
    return stack(
        SHAPE,
        Header(dt_s=1e-3, steps=STEPS, coding="events", bounds=(0.0, float(high))),
        flat=Flatten(),
        a=Affine(weight=weight, bias=0.3 - weight.sum(1) * high / 10),
        lif=LIF(beta=0.5, threshold=1.0),
        b=Affine(weight=draw.normal(size=(4, 24))),
        top=LI(beta=0.9, gain_in=1 / STEPS),
    )


def frames(high, count=12, seed=1):
    draw = np.random.default_rng(seed)
    on = draw.random((count, STEPS, *SHAPE)) < 0.2
    return on * draw.integers(1, high + 1, on.shape).astype(float)


@pytest.fixture(scope="module", params=[1, 6], ids=["binary", "counted"])
def case(request):
    network, x = Network(graph(request.param)), frames(request.param)
    return request.param, network, x, Target(network, None).decide(torch.tensor(x)).numpy()


FLIPS = {
    "noise": (UniformNoise, {"epsilon": 20}),
    "flips": (lambda: EventFlips(Stbp(), steps=4), {"epsilon": 20}),
    "flips assg": (lambda: EventFlips(Assg(), steps=4), {"epsilon": 20}),
    "insert only": (lambda: EventFlips(Stbp(), steps=4), {"epsilon": 20, "remove": 0}),
    "remove only": (lambda: EventFlips(Stbp(), steps=4), {"epsilon": 20, "insert": 0}),
    "both limited": (
        lambda: EventFlips(Stbp(), steps=4),
        {"epsilon": 20, "insert": 5, "remove": 3},
    ),
    "spikefool": (lambda: SpikeFool(Stbp(), rounds=3, deepfool_steps=8), {"epsilon": 60}),
    "frame": (FrameAttack, {"epsilon": 2000}),
    "corner": (lambda: CornerAttack(largest=2), {"epsilon": 2000}),
    "dash": (lambda: DashAttack(stride=3), {"epsilon": 2000}),
    "dash aware of masks": (lambda: DashAttack(stride=3, hold=2), {"epsilon": 2000}),
}
MOVES = {
    "noise": (UniformNoise, {"epsilon": 1}),
    "one bin": (lambda: SpikeRetiming(Stbp(), steps=4), {"epsilon": 1}),
    "few events": (lambda: SpikeRetiming(Stbp(), steps=4), {"epsilon": 3, "moved": 6}),
    "small sum": (lambda: SpikeRetiming(Stbp(), steps=4), {"epsilon": 3, "total": 9}),
}
ALL = [
    *(pytest.param(make, Events, budget, id=name) for name, (make, budget) in FLIPS.items()),
    *(
        pytest.param(make, Retiming, budget, id=f"retiming {name}")
        for name, (make, budget) in MOVES.items()
    ),
]


@pytest.mark.parametrize(("make", "kind", "budget"), ALL)
class TestEveryAttack:
    def test_is_legal_and_measured_on_what_is_legal(self, make, kind, budget, case):
        high, network, x, y = case
        threat = kind.of(network.graph.header, **budget)
        made = make()(network, x, y, threat, seed=1)
        after = made.adversarial
        assert threat.violations(torch.tensor(after), torch.tensor(x)) == 0
        assert np.array_equal(after, np.rint(after))
        assert after.min() >= 0
        assert after.max() <= high
        change = (after - x).reshape(len(x), -1)
        if kind is Retiming:
            assert np.array_equal(after.sum(1), x.sum(1))
            moved = np.abs(change).sum(1) / 2
            assert moved.max() <= budget.get("moved", np.inf)
            total = np.abs((after - x).cumsum(1)).sum((1, 2, 3, 4))
            assert total.max() <= budget.get("total", np.inf)
        else:
            assert (change != 0).sum(1).max() <= budget["epsilon"]
            assert change.clip(0).sum(1).max() <= budget.get("insert", np.inf)
            assert (-change).clip(0).sum(1).max() <= budget.get("remove", np.inf)
        decided = Target(network, None).decide(torch.tensor(after)).numpy()
        assert np.array_equal(made.adversarial_decision, decided)
        returned = made.fooled[np.arange(len(x)), made.iterates - 1]
        assert np.array_equal(returned, decided != y)

    def test_nothing_allowed_nothing_changed(self, make, kind, budget, case):
        _, network, x, y = case
        threat = kind.of(network.graph.header, 0)
        made = make()(network, x[:4], y[:4], threat)
        assert np.array_equal(made.adversarial, x[:4])

    def test_whatever_the_batches_and_the_order(self, make, kind, budget, case, monkeypatch):
        _, network, x, y = case
        threat = kind.of(network.graph.header, **budget)
        whole = make()(network, x, y, threat, seed=3)
        order = np.array([7, 2, 11, 3, 0])
        monkeypatch.setattr(attacks_base, "BATCH", 2)
        part = make()(network, x[order], y[order], threat, seed=3, sample=order)
        assert np.array_equal(part.adversarial, whole.adversarial[order])
        assert np.array_equal(part.queries, whole.queries[order])
        assert np.array_equal(part.iterates, whole.iterates[order])


def fooled(made, y):
    return int((made.adversarial_decision != y).sum())


def test_gradients_beat_chance(case):
    _, network, x, y = case
    header = network.graph.header
    flips = Events.of(header, 12)
    chance = fooled(UniformNoise()(network, x, y, flips), y)
    assert fooled(EventFlips(Stbp(), steps=4)(network, x, y, flips), y) >= chance + 4
    moves = Retiming.of(header, 2)
    chance = fooled(UniformNoise()(network, x, y, moves), y)
    assert fooled(SpikeRetiming(Stbp(), steps=12)(network, x, y, moves), y) >= chance + 2


def test_a_changed_bin_takes_further_events():
    """The budget counts bins: ten events too few in one bin are no reason to change another."""
    header = Header(dt_s=1e-3, steps=1, coding="events", bounds=(0.0, 8.0))
    network = linear(np.array([[0.0, 0.0], [1.0, 0.5]]), header, np.array([4.5, 0.0]))
    x, y = np.zeros((1, 1, 2)), np.zeros(1, int)
    for limits, wanted in (({}, 5.0), ({"insert": 3}, 3.0)):
        made = EventFlips(Stbp(), steps=10)(network, x, y, Events.of(header, 1, **limits))
        assert made.adversarial.ravel().tolist() == [wanted, 0.0]


class TestSparse:
    @pytest.fixture
    def network(self):
        return Network(graph(1))

    @pytest.fixture
    def data(self, network):
        x = frames(1)
        return x, Target(network, None).decide(torch.tensor(x)).numpy()

    def test_sda_undoes_what_is_not_needed(self, network, data):
        x, y = data
        threat = Events.of(network.graph.header, 480)
        made = SparseDynamicAttack(Stbp(), rounds=20)(network, x, y, threat)
        assert threat.violations(torch.tensor(made.adversarial), torch.tensor(x)) == 0
        found = made.adversarial_decision != y
        assert found.mean() > 0.8
        changed = (made.adversarial != x).reshape(12, -1).sum(1)
        assert np.median(changed[found]) < 30
        assert (made.queries > changed).all()
        flips = EventFlips(Stbp(), steps=20)(network, x, y, threat)
        both = found & (flips.adversarial_decision != y)
        many = (flips.adversarial != x).reshape(12, -1).sum(1)
        assert changed[both].mean() < many[both].mean()

    def test_sda_undoes_all_but_the_one_that_matters(self):
        """Linear scores: ten flips are kept at first, the steepest alone suffices."""
        weight = np.zeros((2, 20))
        weight[1] = 0.01
        weight[1, 7] = 1.0
        network = linear(weight, Header(dt_s=1e-3, steps=1, coding="events"), np.array([0.5, 0.0]))
        x = np.zeros((1, 1, 20))
        made = SparseDynamicAttack(Stbp())(network, x, np.zeros(1, int), Events(epsilon=20))
        assert np.flatnonzero(made.adversarial).tolist() == [7]
        assert made.gradients == [1]

    def test_sda_wants_binary_frames(self):
        network = Network(graph(6))
        with pytest.raises(InvalidInput, match=r"SDA flips binary frames; the bounds are \(0"):
            SparseDynamicAttack(Stbp())(
                network, frames(6), np.zeros(12, int), Events.of(network.graph.header, 5)
            )

    def test_spikefool_is_sparse_and_finds(self, network, data):
        x, y = data
        made = SpikeFool(Stbp(), reach=2.0)(network, x, y, Events.of(network.graph.header, 480))
        found = made.adversarial_decision != y
        assert found.mean() > 0.7
        changed = (made.adversarial != x).reshape(12, -1).sum(1)
        assert np.median(changed[found]) < 60

    def test_the_solver_crosses_a_plane_along_few_axes(self):
        """x = 0, plane 2 x_1 + x_2 = 1, bounds 0..1: one axis, a thousandth behind the plane."""
        normal = torch.tensor([[2.0, 1.0]], dtype=torch.float64)
        point = torch.tensor([[0.5, 0.0]], dtype=torch.float64)
        start = torch.zeros(1, 2, dtype=torch.float64)
        assert solve(start, normal, point, (0, 1)).tolist() == [[0.5005, 0.0]]
        far = torch.tensor([[1.0, 0.5]], dtype=torch.float64)
        found = solve(start, normal, far, (0, 1))[0]
        assert found[0] == 1.0
        assert found[1].item() == pytest.approx(0.501)

    def test_linf_on_frames_moves_by_whole_events(self):
        network = Network(graph(6))
        x, y = frames(6), np.zeros(12, int)
        threat = Linf(epsilon=2.0, bounds=(0.0, 6.0), levels=7)
        made = Pgd(Stbp(), steps=3)(network, x, y, threat)
        assert np.array_equal(made.adversarial, np.rint(made.adversarial))
        assert np.abs(made.adversarial - x).max() == 2
        with pytest.raises(InvalidInput, match="the sensor moves in steps of 1"):
            Linf(epsilon=0.03, bounds=(0.0, 6.0), levels=7)

    def test_frozen_and_replayed(self, network, data, tmp_path):
        x, y = data
        threat = Events.of(network.graph.header, 9, insert=4)
        made, reused = craft(EventFlips(Stbp(), steps=3), Request(network, x, y, threat), tmp_path)
        assert not reused
        assert made.threat == threat
        assert made.violations() == 0
        assert made.epsilon == 9
        (path,) = tmp_path.iterdir()
        again = AttackSet.load(path)
        assert again.adversarial.shape == (12, STEPS, *SHAPE)
        assert np.array_equal(again.adversarial, made.adversarial)


class TestPatterns:
    def on(self, attack, height=5, width=6, steps=4):
        return [pattern.numpy() for pattern in attack.patterns(steps, height, width)]

    def test_the_frame_is_the_border(self):
        (on,) = self.on(FrameAttack())
        assert on[0].sum() == 2 * 6 + 2 * 3
        assert not on[:, 1:-1, 1:-1].any()

    def test_corners_grow_and_go_round(self):
        on = self.on(CornerAttack(largest=2))
        assert [p[0].sum() for p in on] == [1] * 4 + [4] * 4
        assert {tuple(np.argwhere(p[0])[0]) for p in on[:4]} == {(0, 0), (0, 5), (4, 0), (4, 5)}

    def test_a_dash_has_two_pixels_and_may_walk(self):
        assert all((p.sum((1, 2)) == 2).all() for p in self.on(DashAttack(stride=1)))
        still, walking = self.on(DashAttack(stride=9))[0], self.on(DashAttack(stride=9, hold=2))[0]
        assert [sorted(np.argwhere(f)[:, 1]) for f in still] == [[0, 1]] * 4
        assert [sorted(np.argwhere(f)[:, 1]) for f in walking] == [[0, 1], [0, 1], [2, 3], [2, 3]]

    def test_the_first_pattern_that_fools_is_kept(self):
        network, x = Network(graph(1)), frames(1)
        y = Target(network, None).decide(torch.tensor(x)).numpy()
        made = CornerAttack(largest=4)(network, x, y, Events.of(network.graph.header, 480))
        assert fooled(made, y) > 0
        patterns = self.on(CornerAttack(largest=4), steps=STEPS)
        for n in range(12):
            tried = [np.where(p[:, None], 1, x[n]) for p in patterns]
            decided = [
                Target(network, None).decide(torch.tensor(t[None])).item() != y[n] for t in tried
            ]
            first = decided.index(True) if any(decided) else len(tried) - 1
            assert np.array_equal(made.adversarial[n], tried[first])
            assert made.iterates[n] == first + 2

    def test_vectors_are_no_frames(self):
        flat = linear(np.ones((2, 3)), Header(dt_s=1e-3, steps=4, coding="events"))
        with pytest.raises(InvalidInput, match="draws on frames"):
            FrameAttack()(flat, np.zeros((1, 4, 3)), np.zeros(1, int), Events(epsilon=3))


class TestRefused:
    def test_wrong_samples(self):
        network = Network(graph(1))
        threat, attack = Events.of(network.graph.header, 5), EventFlips(Stbp())
        x, y = frames(1), np.zeros(12, int)
        with pytest.raises(InvalidInput, match=r"give at least one of shape \(T, 2, 5, 6\)"):
            attack(network, x[:, 0], y, threat)
        with pytest.raises(InvalidInput, match=r"within 0\.\.1 and on the sensor's grid"):
            attack(network, x * 2, y, threat)
        with pytest.raises(InvalidInput, match="on the sensor's grid"):
            attack(network, x * 0.5, y, threat)
        with pytest.raises(InvalidInput, match=r"use Events\.of"):
            attack(network, x, y, Events(epsilon=5, bounds=(0, 9)))

    def test_the_wrong_threat(self):
        network = Network(graph(1))
        with pytest.raises(InvalidInput, match="retiming is not defined for the threat events"):
            SpikeRetiming(Stbp())(
                network, frames(1), np.zeros(12, int), Events.of(network.graph.header, 5)
            )
